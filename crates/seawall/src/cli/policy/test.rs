//! `seawall policy test`.

use std::net::IpAddr;
use std::path::PathBuf;

use seawall_rules::command_line::{self, Described};
use seawall_rules::policy::{Circumstances, Question, Roles};
use seawall_rules::target::ApiVersion;
use serde::{Deserialize, Serialize};

use super::asked::{Answer, Asker, not_understood};
use super::holders::{self, Holder};
use crate::cli::input::read_text;
use crate::cli::log::Moment;
use crate::cli::report::{self, Doing as _, Error};
use crate::cli::{self, Context};
use crate::config;

/// Try a table of expectations on the roles, and show where they differ
///
/// FILE is TOML: tables `[[expect]]`, each with `identity` or `role`, what is asked for as `docker`
/// (a docker command) or as `request` (method and target) and `body`, and what is to come of it:
/// `allow`, and for a refusal its `rule`. Roles with `sources` or `hours` take `from`, an address,
/// and `at`, a time. `who-can` with `only` expects that exactly these
/// identities could ever do a thing. Exits 3 when something is not as expected.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall policy test ./expectations.toml\n  \
    seawall policy test ./expectations.toml --candidate ./seawall.toml --json\n\n\
    expectations.toml:\n  \
    [[expect]]\n  role = \"developer\"\n  docker = \"run -v /:/host alpine\"\n  \
    allow = false\n  rule = \"escape.bind\"\n\n  \
    [[expect]]\n  identity = \"ci\"\n  request = \"POST /containers/create\"\n  \
    body = { Image = \"registry.example.com/shop/web\" }\n  allow = true\n\n  \
    [[expect]]\n  who-can = \"become-root\"\n  only = [\"root\"]")]
pub(super) struct Args {
    /// The expectations, `-` for standard input
    file: PathBuf,
    /// Try them on this configuration, or file of roles, in the place of the present one
    #[arg(long, value_name = "FILE")]
    candidate: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Bytes of a file of expectations.
const MOST: u64 = 4 * 1024 * 1024;

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let shown = args.file.display();
    let text = read_text(&args.file, MOST).doing(|| format!("read {shown}"))?;
    let expectations: Expectations = toml::from_str(&text).map_err(|error| {
        Error::usage(format!("{shown}: {}", error.to_string().trim_end()))
            .hint("`seawall policy test --help` shows a file")
    })?;
    let config = match args.candidate {
        Some(file) => config::load_candidate(context, &cli::absolute(file)?)?,
        None => config::load_for_command(context)?,
    };
    let site =
        Site { holders: holders::identities(context)?, roles: config.roles, floor: config.min_api };
    let results: Vec<_> = expectations
        .expect
        .iter()
        .enumerate()
        .map(|(at, expected)| {
            site.tries(expected).map_err(|error| Error {
                message: format!("{shown}: expectation {}: {}", at + 1, error.message),
                ..error
            })
        })
        .collect::<Result<_, _>>()?;
    let tried = Tried { results };
    match args.json {
        true => report::print_json(&tried)?,
        false => report::print(tried.to_text())?,
    }
    match tried.results.iter().filter(|result| !result.as_expected).count() {
        0 => Ok(()),
        count => Err(Error::found(format!("{count} of {} differ", tried.results.len()))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectations {
    expect: Vec<Expected>,
}

/// One expectation, as written.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Expected {
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    docker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    who_can: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<Vec<String>>,
}

/// What expectations are tried on.
struct Site {
    holders: Vec<Holder>,
    roles: std::sync::Arc<Roles>,
    floor: ApiVersion,
}

#[derive(Serialize)]
struct Tried {
    results: Vec<Outcome>,
}

/// What came of one.
#[derive(Serialize)]
struct Outcome {
    expected: Expected,
    as_expected: bool,
    /// What is so: `refused by escape.bind`.
    found: String,
}

impl Site {
    fn tries(&self, expected: &Expected) -> Result<Outcome, Error> {
        let outcome =
            |as_expected, found| Ok(Outcome { expected: expected.clone(), as_expected, found });
        match (expected, &expected.who_can) {
            (Expected { only: Some(only), allow: None, rule: None, .. }, Some(asked)) => {
                let mut able = self.able(asked)?;
                let mut only = only.clone();
                able.sort();
                only.sort();
                let found = match able.is_empty() {
                    true => "nobody can".to_owned(),
                    false => format!("exactly {} can", able.join(", ")),
                };
                outcome(able == only, found)
            }
            (Expected { allow: Some(allow), only: None, .. }, None) => {
                let answer = self.asks(expected)?;
                let refused = answer.requests.iter().find(|judged| !judged.allowed);
                let rule_fits = match (&expected.rule, refused) {
                    (None, _) => true,
                    (Some(rule), Some(judged)) => judged.rule == *rule,
                    (Some(rule), None) => answer.requests.iter().any(|one| one.rule == *rule),
                };
                let found = match refused.filter(|_| !answer.allowed) {
                    None => "allowed".to_owned(),
                    Some(judged) => {
                        let reason = judged.reason.as_deref().unwrap_or_default();
                        format!("refused by {}: {reason}", judged.rule)
                    }
                };
                outcome(answer.allowed == *allow && rule_fits, found)
            }
            _ => Err(Error::usage("it needs `allow`, or `who-can` with `only`")
                .hint("`seawall policy test --help` shows a file")),
        }
    }

    fn able(&self, asked: &str) -> Result<Vec<String>, Error> {
        let words = command_line::split(asked).map_err(not_understood)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let question =
            Question::parse(&words).map_err(|no| Error::usage(no.message).hint(no.hint))?;
        let can = |holder: &&Holder| {
            holder.of(&self.roles).iter().any(|role| question.answer(role).is_some())
        };
        Ok(self.holders.iter().filter(can).map(|holder| holder.name.clone()).collect())
    }

    /// Where from and when; what the roles depend on must be said, or the answer would change from
    /// one day to the next.
    fn circumstances(
        &self,
        expected: &Expected,
        identity: Option<&str>,
        roles: &[String],
    ) -> Result<Circumstances, Error> {
        let holder = self.holders.iter().find(|holder| Some(holder.name.as_str()) == identity);
        let names = holder.map_or(roles, |holder| &holder.roles);
        for role in names.iter().filter_map(|name| self.roles.named(name)) {
            for (key, needed, said) in [
                ("from", role.has_sources(), expected.from.is_some()),
                ("at", role.has_hours(), expected.at.is_some()),
            ] {
                if needed && !said {
                    let name = role.name();
                    return Err(Error::usage(format!("it needs `{key}`: `{name}` depends on it")));
                }
            }
        }
        let at = expected.at.as_ref().map(|at| at.parse::<Moment>()).transpose();
        let at = at.map_err(|hint| Error::usage("`at` is no time").hint(hint))?;
        Ok(Circumstances { from: expected.from, at: at.map_or(0, |at| at.seconds()) })
    }

    fn asks(&self, expected: &Expected) -> Result<Answer, Error> {
        let roles: Vec<String> = expected.role.iter().cloned().collect();
        let identity = match (&expected.identity, &expected.role) {
            (Some(identity), None) => Some(identity.as_str()),
            (None, Some(_)) => None,
            _ => return Err(Error::usage("it needs one of `identity` and `role`")),
        };
        let described = match (&expected.docker, &expected.request) {
            (Some(line), None) if expected.body.is_none() => {
                let words = command_line::split(line).map_err(not_understood)?;
                command_line::read(&words).map_err(not_understood)?
            }
            (None, Some(line)) => {
                let body = expected.body.as_ref().map(ToString::to_string);
                vec![Described::by_line(line, body).map_err(not_understood)?]
            }
            _ => {
                return Err(Error::usage(
                    "it needs `docker`, or `request` and where it has one `body`",
                ));
            }
        };
        let here = self.circumstances(expected, identity, &roles)?;
        let asker = Asker::among(&self.holders, &self.roles, identity, &roles, &here)?;
        Ok(asker.asks(&described, self.floor))
    }
}

impl Expected {
    fn subject(&self) -> String {
        if let Some(asked) = &self.who_can {
            return format!("who can: {asked}");
        }
        let who = self.identity.as_ref().or(self.role.as_ref());
        let what = self.docker.as_ref().map(|line| format!("docker {line}"));
        let what = what.or_else(|| self.request.clone()).unwrap_or_default();
        format!("{}: {what}", who.map_or("", String::as_str))
    }

    fn wanted(&self) -> String {
        match (&self.only, self.allow, &self.rule) {
            (Some(only), ..) if only.is_empty() => "nobody can".to_owned(),
            (Some(only), ..) => format!("exactly {} can", only.join(", ")),
            (None, Some(true), None) => "allowed".to_owned(),
            (None, Some(true), Some(rule)) => format!("allowed by {rule}"),
            (None, _, None) => "refused".to_owned(),
            (None, _, Some(rule)) => format!("refused by {rule}"),
        }
    }
}

impl Tried {
    fn to_text(&self) -> String {
        let mut text = String::new();
        for result in &self.results {
            let expected = &result.expected;
            if result.as_expected {
                text += &format!("ok      {}\n", expected.subject());
            } else {
                text += &format!("DIFFERS {}\n", expected.subject());
                text += &format!("  - {}\n  + {}\n", expected.wanted(), result.found);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        let holder =
            |name: &str, role: &str| Holder { name: name.to_owned(), roles: vec![role.to_owned()] };
        let holders = vec![holder("root", "admin"), holder("dora", "developer")];
        Site { holders, roles: Roles::built_in(), floor: ApiVersion::new(1, 40) }
    }

    fn try_all(text: &str) -> Tried {
        let all: Expectations = toml::from_str(text).unwrap();
        let site = site();
        Tried { results: all.expect.iter().map(|one| site.tries(one).unwrap()).collect() }
    }

    #[test]
    fn differences_are_shown_beside_what_was_expected() {
        let tried = try_all(
            r#"
            [[expect]]
            role = "developer"
            docker = "create -v /:/host alpine"
            allow = false
            rule = "escape.bind"
            [[expect]]
            identity = "dora"
            request = "POST /containers/create"
            body = { Image = "alpine", HostConfig = { Privileged = true } }
            allow = true
            [[expect]]
            role = "viewer"
            docker = "stop web"
            allow = false
            rule = "role.images"
            [[expect]]
            who-can = "become-root"
            only = ["root"]
            [[expect]]
            who-can = "use-image alpine"
            only = ["root"]
            "#,
        );
        insta::assert_snapshot!(tried.to_text(), @"
        ok      developer: docker create -v /:/host alpine
        DIFFERS dora: POST /containers/create
          - allowed
          + refused by escape.privileged: may not run a privileged container: `HostConfig.Privileged` is true, and only admin may
        DIFFERS viewer: docker stop web
          - refused by role.images
          + refused by role.operations: may not stop a container (ContainerStop): role viewer does not grant it; operator, developer, deployer or admin would
        ok      who can: become-root
        DIFFERS who can: use-image alpine
          - exactly root can
          + exactly dora, root can
        ");
    }

    #[test]
    fn an_expectation_that_cannot_be_tried_is_an_error() {
        for (text, said) in [
            ("role = \"viewer\"\ndocker = \"ps\"", "it needs `allow`, or `who-can` with `only`"),
            ("docker = \"ps\"\nallow = true", "it needs one of `identity` and `role`"),
            ("role = \"vewer\"\ndocker = \"ps\"\nallow = true", "there is no role `vewer`"),
            ("identity = \"eve\"\ndocker = \"ps\"\nallow = true", "there is no identity `eve`"),
            (
                "role = \"viewer\"\ndocker = \"pss\"\nallow = true",
                "`pss` is no known docker command",
            ),
            ("role = \"viewer\"\nallow = true", "it needs `docker`, or `request`"),
        ] {
            let all: Expectations = toml::from_str(&format!("[[expect]]\n{text}")).unwrap();
            let error = site().tries(&all.expect[0]).map(|_| ()).unwrap_err();
            assert!(error.message.starts_with(said), "{text}: {error}");
        }
        assert!(toml::from_str::<Expectations>("[[expect]]\nallowed = true").is_err());
    }
}
