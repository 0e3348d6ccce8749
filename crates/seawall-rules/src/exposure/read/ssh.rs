//! `authorized_keys` and `sshd_config`.

use super::super::Place;
use super::words;

/// One key that opens a user's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedKey {
    /// Where it stands.
    pub place: Place,
    /// Its comment, or its type where it has none.
    pub shown: String,
    /// The command it is held to.
    pub command: Option<String>,
    /// Whether it may forward ports and Unix sockets.
    pub forwards: bool,
}

/// The keys of an `authorized_keys` file (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
pub fn authorized_keys(text: &str, file: &str) -> Vec<AuthorizedKey> {
    let key = |(at, line): (usize, &str)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (options, rest) = match is_type(line.split(' ').next()?) {
            true => ("", line),
            false => split_options(line)?,
        };
        let mut fields = rest.split_ascii_whitespace();
        let kind = fields.next().filter(|kind| is_type(kind))?;
        let comment = fields.skip(1).collect::<Vec<_>>().join(" ");
        let options = split_commas(options);
        let has = |name: &str| options.iter().any(|option| option.eq_ignore_ascii_case(name));
        let command = options.iter().find_map(|option| {
            let (name, value) = option.split_once('=')?;
            name.eq_ignore_ascii_case("command").then(|| value.trim_matches('"').to_owned())
        });
        Some(AuthorizedKey {
            place: Place { name: file.to_owned(), line: u32::try_from(at + 1).ok() },
            shown: if comment.is_empty() { kind.to_owned() } else { comment },
            command,
            forwards: has("port-forwarding") || !(has("restrict") || has("no-port-forwarding")),
        })
    };
    text.lines().enumerate().filter_map(key).collect()
}

fn is_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|kind| word.starts_with(kind))
}

/// Options end at the first blank outside quotes.
fn split_options(line: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return Some((&line[..at], &line[at + 1..])),
            _ => {}
        }
        escaped = character == '\\' && !escaped;
    }
    None
}

fn split_commas(options: &str) -> Vec<&str> {
    let mut quoted = false;
    options
        .split(|character| {
            quoted ^= character == '"';
            character == ',' && !quoted
        })
        .collect()
}

/// A setting of `sshd_config`, under a lower-case name. The first one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshdSetting {
    /// `permitrootlogin`.
    pub name: String,
    /// As written.
    pub value: String,
    /// Where.
    pub place: Place,
    /// The condition of the `Match` block it stands in.
    pub matching: Option<String>,
}

/// Whether a `Match` block is about somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Applies {
    /// It is not.
    No,
    /// That hangs on where he comes from, or on something else that is not known.
    Perhaps,
    /// It is.
    Yes,
}

impl SshdSetting {
    /// Whether it holds for a user who is in these groups; outside of blocks it holds for all.
    pub fn applies(&self, user: &str, groups: &[&str]) -> Applies {
        let Some(condition) = &self.matching else { return Applies::Yes };
        let known = |holds| if holds { Applies::Yes } else { Applies::No };
        let mut words = condition.split(' ');
        let mut all = Applies::Yes;
        while let Some(criterion) = words.next() {
            let (name, joined) = criterion.split_once('=').unwrap_or((criterion, ""));
            let mut patterns =
                || if joined.is_empty() { words.next().unwrap_or("") } else { joined };
            all = all.min(match name.to_ascii_lowercase().as_str() {
                "all" => Applies::Yes,
                "user" => known(is_listed(patterns(), &[user])),
                "group" => known(is_listed(patterns(), groups)),
                // Address, Host, LocalPort, ...; each has a list of its own.
                _ => {
                    patterns();
                    Applies::Perhaps
                }
            });
        }
        all
    }
}

/// Whether one of the names fits a list of patterns, and none of them one that begins with `!`
/// (ssh_config(5), PATTERNS).
fn is_listed(patterns: &str, names: &[&str]) -> bool {
    let fits = |pattern: &str| names.iter().any(|name| fits(pattern.as_bytes(), name.as_bytes()));
    let mut listed = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if fits(pattern) => return false,
            Some(_) => {}
            None => listed |= fits(pattern),
        }
    }
    listed
}

/// `*` stands for any characters, `?` for one.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            // What several stars say, the last one says.
            (0..=name.len()).any(|at| fits(rest, &name[at..]))
        }
        ([b'?', rest @ ..], [_, name @ ..]) => fits(rest, name),
        ([first, rest @ ..], [other, name @ ..]) if first == other => fits(rest, name),
        _ => false,
    }
}

/// The settings of a configuration; `Include` is the caller's, as a setting like the others.
pub fn sshd(text: &str, file: &str) -> Vec<SshdSetting> {
    let mut matching = None;
    let mut settings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // `Name value` or `Name=value`.
        let (name, value) = line.split_once([' ', '\t', '=']).unwrap_or((line, ""));
        let value = words(value.trim_start_matches([' ', '\t', '='])).join(" ");
        if name.eq_ignore_ascii_case("match") {
            matching = (!value.eq_ignore_ascii_case("all")).then_some(value);
            continue;
        }
        settings.push(SshdSetting {
            name: name.to_ascii_lowercase(),
            value,
            place: Place { name: file.to_owned(), line: u32::try_from(at + 1).ok() },
            matching: matching.clone(),
        });
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_keys_are_read_as_sshd_reads_them() {
        let cases = [
            ("ssh-ed25519 AAAA al@box", None, true, "al@box"),
            ("restrict ssh-ed25519 AAAA", None, false, "ssh-ed25519"),
            (
                "command=\"docker system dial-stdio\",restrict ssh-rsa AAAA x y",
                Some("docker system dial-stdio"),
                false,
                "x y",
            ),
            (
                "command=\"a, b\" ecdsa-sha2-nistp256 AAAA",
                Some("a, b"),
                true,
                "ecdsa-sha2-nistp256",
            ),
            ("no-port-forwarding,no-pty ssh-rsa AAAA", None, false, "ssh-rsa"),
            ("restrict,port-forwarding ssh-rsa AAAA", None, true, "ssh-rsa"),
        ];
        for (line, command, forwards, shown) in cases {
            let keys = authorized_keys(&format!("# c\n\n{line}\n"), "f");
            assert_eq!(keys.len(), 1, "{line}");
            let key = &keys[0];
            assert_eq!(
                (key.command.as_deref(), key.forwards, key.shown.as_str(), key.place.line),
                (command, forwards, shown, Some(3)),
                "{line}"
            );
        }
        assert_eq!(authorized_keys("not a key\n", "f"), []);
    }

    #[test]
    fn settings_of_sshd_know_their_match_block() {
        let settings = sshd(
            "PermitRootLogin yes\n# x\nPort=22\nMatch User bo\n  passwordAuthentication no\n",
            "f",
        );
        let shown: Vec<_> = settings
            .iter()
            .map(|s| (s.name.as_str(), s.value.as_str(), s.matching.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                ("permitrootlogin", "yes", None),
                ("port", "22", None),
                ("passwordauthentication", "no", Some("User bo")),
            ]
        );
    }

    #[test]
    fn blocks_are_about_those_whom_they_match() {
        use Applies::{No, Perhaps, Yes};
        for (condition, expected) in [
            ("User al", Yes),
            ("user a?,bob", Yes),
            ("User *,!al", No),
            ("User bob", No),
            ("Group docker", Yes),
            ("Group wheel", No),
            ("Group !docker,*", No),
            ("User=al", Yes),
            ("User al Group wheel", No),
            ("Address 10.0.0.0/8", Perhaps),
            ("Address 10.0.0.0/8 User bob", No),
            ("User al LocalPort 2222", Perhaps),
        ] {
            let [setting] =
                &sshd(&format!("Match {condition}\nPasswordAuthentication yes\n"), "f")[..]
            else {
                panic!("{condition}")
            };
            assert_eq!(setting.applies("al", &["al", "docker"]), expected, "{condition}");
        }
    }
}
