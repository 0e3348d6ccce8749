//! The docker command line's words as the requests they become, so that people can ask about what
//! they would type. A part of its commands and flags: what is in no table here is refused by name,
//! never guessed at.

mod container;
mod flags;
mod others;

use std::fmt::Write as _;

use serde_json::Value;

use crate::escape::quoted;
use crate::head::{self, HeadLimits, MAX_HEADERS};
use crate::json;
use crate::operation::{self, Request, nearest};
use crate::target::{self, ApiVersion};
use crate::verdict::Refusal;
use flags::{Flag, Words};

/// A request as it is described, not sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub target: String,
    /// Its JSON body, where it has one.
    pub body: Option<String>,
    /// When the command sends it, where it may not: `if the image is not there`.
    pub only: Option<&'static str>,
}

/// Words that are no command of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUnderstood {
    /// What is wrong.
    pub message: String,
    /// What could be written.
    pub hint: String,
}

/// One command.
struct Row {
    /// Its names: `rm`, `container rm`.
    names: &'static [&'static str],
    /// What follows its flags.
    usage: &'static str,
    flags: &'static [&'static [Flag]],
    /// How many arguments it takes, at least and at most.
    args: (usize, usize),
    /// What it sends.
    requests: fn(&Words) -> Vec<Described>,
}

/// Reads the words after `docker`.
///
/// # Errors
/// [`NotUnderstood`], naming what is known in the place of what is not.
pub fn read<S: AsRef<str>>(words: &[S]) -> Result<Vec<Described>, NotUnderstood> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let words = words.strip_prefix(&["docker"]).unwrap_or(&words);
    let two = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
    let one = words.first().copied().unwrap_or_default();
    let found = rows().find_map(|row| {
        let named = |name: &str| row.names.contains(&name);
        match (named(&two), named(one)) {
            (true, _) if words.len() > 1 => Some((row, 2)),
            (_, true) => Some((row, 1)),
            _ => None,
        }
    });
    let Some((row, named)) = found else {
        let names: Vec<&str> = rows().map(|row| row.names[0]).collect();
        let hint = match nearest(one, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the known commands are {}", names.join(", ")),
        };
        let message = format!("{} is no known docker command", quoted(one.as_bytes()));
        return Err(NotUnderstood { message, hint });
    };
    let read = Words::read(row.flags, &words[named..]).map_err(|(message, hint)| {
        let message = format!("`docker {}`: {message}", row.names[0]);
        NotUnderstood { message, hint }
    })?;
    if read.args.len() < row.args.0 || read.args.len() > row.args.1 {
        let message = format!("`docker {}` takes other arguments", row.names[0]);
        let hint = format!("write `docker {} {}`", row.names[0], row.usage);
        return Err(NotUnderstood { message, hint });
    }
    Ok((row.requests)(&read))
}

fn rows() -> impl Iterator<Item = &'static Row> {
    container::ROWS.iter().chain(others::ROWS)
}

/// Every known command with its flags, for the documents.
pub fn known() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    rows().map(|row| {
        let flags = row.flags.iter().flat_map(|flags| flags.iter());
        (row.names[0], flags.flat_map(|flag| flag.names.iter().copied()).collect())
    })
}

/// The words of one line, split as a shell splits them: at blanks, but not within quotes. Nothing
/// else is special.
///
/// # Errors
/// [`NotUnderstood`] for a quote without its end.
pub fn split(line: &str) -> Result<Vec<String>, NotUnderstood> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        let message = format!("{} has a quote without its end", quoted(line.as_bytes()));
        return Err(NotUnderstood { message, hint: "close it".to_owned() });
    }
    words.extend(word);
    Ok(words)
}

impl Described {
    /// A request by its first line, `POST /containers/create`, and its body.
    ///
    /// # Errors
    /// [`NotUnderstood`] where the line is not method and target.
    pub fn by_line(line: &str, body: Option<String>) -> Result<Self, NotUnderstood> {
        match line.split_once(' ') {
            Some((method, target)) if target.starts_with('/') && !target.contains(' ') => {
                let (method, target) = (method.to_owned(), target.to_owned());
                Ok(Self { method, target, body, only: None })
            }
            _ => Err(NotUnderstood {
                message: format!("{} is no request", quoted(line.as_bytes())),
                hint: "write `METHOD /path?query`, such as `POST /containers/web/stop`".to_owned(),
            }),
        }
    }

    /// The request, read as the gate reads one.
    ///
    /// # Errors
    /// What the gate would answer whoever sent it.
    pub fn read(&self, floor: ApiVersion) -> Result<Request, Refusal> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: docker\r\n", self.method, self.target);
        if let Some(body) = &self.body {
            let length = body.len();
            // INVARIANT: writing to a String cannot fail.
            let _ = write!(text, "Content-Type: application/json\r\nContent-Length: {length}\r\n");
        }
        text += "\r\n";
        let limits = HeadLimits { bytes: text.len(), headers: MAX_HEADERS };
        let whole = |parsed: Option<_>| {
            parsed.ok_or_else(|| Refusal::malformed("head.grammar", "it is no request"))
        };
        let (head, _) = head::parse(text.as_bytes(), limits).and_then(whole)?;
        let target = target::parse(&head.target)?;
        let request = operation::recognize(head, target, floor).map_err(|(_, refusal)| refusal)?;
        match &self.body {
            Some(body) => request.with_body(json::parse(body.as_bytes())?),
            None => Ok(request),
        }
    }
}

fn get(target: impl Into<String>) -> Described {
    Described { method: "GET".to_owned(), target: target.into(), body: None, only: None }
}

fn post(target: impl Into<String>) -> Described {
    Described { method: "POST".to_owned(), ..get(target) }
}

fn delete(target: impl Into<String>) -> Described {
    Described { method: "DELETE".to_owned(), ..get(target) }
}

fn with_body(request: Described, body: Value) -> Described {
    Described { body: Some(body.to_string()), ..request }
}

/// A name in a path.
fn segment(name: &str) -> String {
    encode(name, "/")
}

/// `?a=b&c=d`, or nothing.
fn query(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> =
        pairs.iter().map(|(key, value)| format!("{key}={}", encode(value, ""))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// RFC 3986 section 2.1.
fn encode(text: &str, plain: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~:".contains(c) || plain.contains(c) {
            encoded.push(c);
        } else {
            // INVARIANT: writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &str) -> String {
        match read(&split(words).unwrap()) {
            Ok(requests) => requests
                .iter()
                .map(|request| {
                    let read = request.read(ApiVersion::new(1, 40));
                    let operation = match &read {
                        Ok(read) => read.route.operation.as_str(),
                        Err(refusal) => refusal.rule,
                    };
                    let only = request.only.map(|only| format!(" {only}")).unwrap_or_default();
                    format!("{operation}: {} {}{only}\n", request.method, request.target)
                })
                .collect(),
            Err(NotUnderstood { message, hint }) => format!("{message}\nhint: {hint}\n"),
        }
    }

    #[test]
    fn words_become_the_requests_that_docker_sends() {
        for (words, requests) in [
            (
                "run -it --name web alpine sh",
                "ContainerCreate: POST /containers/create?name=web\n\
                 ImageCreate: POST /images/create?fromImage=alpine&tag=latest if the image is not there\n\
                 ContainerAttach: POST /containers/web/attach?stream=1&stdin=1&stdout=1&stderr=1\n\
                 ContainerWait: POST /containers/web/wait?condition=next-exit\n\
                 ContainerStart: POST /containers/web/start\n",
            ),
            (
                "docker container run -d --pull never registry.example.com/a/b:1",
                "ContainerCreate: POST /containers/create\n\
                 ContainerStart: POST /containers/new/start\n",
            ),
            (
                "exec -it web sh",
                "ContainerExec: POST /containers/web/exec\nExecStart: POST /exec/new/start\n",
            ),
            (
                "stop -t 5 web db",
                "ContainerStop: POST /containers/web/stop?t=5\nContainerStop: POST /containers/db/stop?t=5\n",
            ),
            ("rm -fv web", "ContainerDelete: DELETE /containers/web?force=1&v=1\n"),
            ("ps -a", "ContainerList: GET /containers/json?all=1\n"),
            (
                "logs -f --tail=10 web",
                "ContainerLogs: GET /containers/web/logs?stdout=1&stderr=1&follow=1&tail=10\n",
            ),
            (
                "pull a/b@sha256:00",
                "ImageCreate: POST /images/create?fromImage=a%2Fb&tag=sha256:00\n",
            ),
            ("push r:5000/a:1", "ImagePush: POST /images/r:5000/a/push?tag=1\n"),
            ("image tag a r/b:2", "ImageTag: POST /images/a/tag?repo=r%2Fb&tag=2\n"),
            ("rmi a", "ImageDelete: DELETE /images/a\n"),
            ("build -t a .", "ImageBuild: POST /build?t=a\n"),
            ("volume create v", "VolumeCreate: POST /volumes/create\n"),
            ("network create n", "NetworkCreate: POST /networks/create\n"),
            ("network connect n web", "NetworkConnect: POST /networks/n/connect\n"),
            ("version", "SystemVersion: GET /version\n"),
        ] {
            assert_eq!(shown(words), requests, "{words}");
        }
        assert_eq!(
            shown("cp web:/etc ."),
            "ContainerArchiveInfo: HEAD /containers/web/archive?path=%2Fetc\n\
             ContainerArchive: GET /containers/web/archive?path=%2Fetc\n"
        );
    }

    #[test]
    fn what_is_not_known_is_named_with_what_is() {
        insta::assert_snapshot!(shown("rum alpine"), @"
        `rum` is no known docker command
        hint: did you mean `run`?
        ");
        insta::assert_snapshot!(shown("run --privilged alpine"), @"
        `docker run`: the flag `--privilged` is not known here
        hint: did you mean `--privileged`?
        ");
        insta::assert_snapshot!(shown("stop -x web"), @"
        `docker stop`: the flag `-x` is not known here
        hint: the known flags are -s, --signal, -t, --time, --timeout
        ");
        insta::assert_snapshot!(shown("stop"), @"
        `docker stop` takes other arguments
        hint: write `docker stop CONTAINER`
        ");
        insta::assert_snapshot!(shown("run -p a:b alpine"), @"
        `docker run`: `a:b` is no value of `-p`
        hint: `docker run --help` says what `-p` takes
        ");
        insta::assert_snapshot!(shown("run --mount type=bind,sauce=/ alpine"), @"
        `docker run`: `type=bind,sauce=/` is no value of `--mount`
        hint: `docker run --help` says what `--mount` takes
        ");
    }

    #[test]
    fn every_command_makes_requests_that_the_table_knows() {
        for row in rows() {
            let first = if row.names.contains(&"cp") { "web:/b" } else { "web" };
            let args = [first, "c"];
            let args = &args[..row.args.0.clamp(1, 2).min(row.args.1)];
            for name in row.names {
                let words: Vec<_> = name.split(' ').chain(args.iter().copied()).collect();
                let requests = read(&words).unwrap_or_else(|no| panic!("{name}: {no:?}"));
                assert!(!requests.is_empty(), "{name}");
                for request in requests {
                    let read = request.read(ApiVersion::new(1, 40));
                    let request = read.unwrap_or_else(|no| panic!("{name}: {request:?}: {no}"));
                    assert!(request.unknown.is_empty() && request.facts.unknown.is_empty());
                }
            }
        }
    }
}
