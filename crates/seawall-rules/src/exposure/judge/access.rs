//! SSH, and where this host's clients point.

use super::super::catalogue::access::*;
use super::super::facts::{Facts, SocketOf};
use super::super::read::context::Connection;
use super::super::read::endpoint::{Endpoint, Reach};
use super::super::read::ssh::{Applies, SshdSetting};
use super::super::read::variables::Variable;
use super::super::{Check, Finding, Place, Report, Severity};

pub(super) fn judge(facts: &Facts, report: &mut Report) {
    keys(facts, report);
    sshd(facts, report);
    variables(facts, report);
    contexts(facts, report);
}

/// Users who may open an engine's socket over SSH: root, and the socket's group.
fn powerful(facts: &Facts) -> Vec<String> {
    let sockets = facts.unix_sockets.iter().filter(|socket| socket.of == SocketOf::Engine);
    let mut groups: Vec<_> =
        sockets.filter(|it| it.access.mode & 0o020 != 0).map(|it| it.access.gid).collect();
    // A folder has no sockets; the group is the one that the engine would give its socket.
    groups.extend(facts.accounts.groups.iter().filter(|it| it.name == "docker").map(|it| it.gid));
    groups.retain(|gid| *gid != 0);
    let mut users: Vec<_> =
        groups.into_iter().flat_map(|gid| facts.accounts.members(gid)).collect();
    users.push("root".to_owned());
    users.sort();
    users.dedup();
    users
}

fn keys(facts: &Facts, report: &mut Report) {
    let powerful = powerful(facts);
    for (user, key) in facts.authorized_keys.iter().filter(|(user, _)| powerful.contains(user)) {
        report.looked(&SSH_KEY_UNRESTRICTED);
        report.looked(&SSH_FORWARDING);
        let about = format!("{} of {user} ({})", key.shown, key.place.name);
        let finding = |check: &'static Check, what: &str| {
            Finding::new(check, &about, what)
                .seen(key.place.clone(), format!("the key `{}`", key.shown))
                .remedy(&[("path", &key.place.to_string())])
        };
        match &key.command {
            None => {
                let what =
                    format!("the key opens a shell as {user}, who may open the engine's socket");
                let finding = finding(&SSH_KEY_UNRESTRICTED, &what);
                // Whoever administers the host needs one such key.
                report.find(match user.as_str() {
                    "root" => finding.weighed(Severity::Info, "it is how root is reached"),
                    _ => finding,
                });
            }
            Some(command) if key.forwards => {
                let what = format!("the key is held to `{command}`, and may forward to the socket");
                report.find(finding(&SSH_FORWARDING, &what));
            }
            Some(_) => {}
        }
    }
}

fn sshd(facts: &Facts, report: &mut Report) {
    if facts.sshd.is_empty() {
        return;
    }
    report.looked(&SSHD_SETTINGS);
    report.looked(&SSH_USER_CA);
    let powerful = powerful(facts);
    for weak in WEAK {
        let users = powerful.iter().filter(|user| !weak.of_root || *user == "root");
        let mut told: Vec<&SshdSetting> = Vec::new();
        for setting in users.flat_map(|user| counting(facts, weak.name, user)) {
            if setting.value.eq_ignore_ascii_case("yes") && !told.contains(&setting) {
                told.push(setting);
            }
        }
        for setting in told {
            let block = setting.matching.as_ref().map(|block| format!(" (Match {block})"));
            let about = format!("sshd {}{}", setting.name, block.unwrap_or_default());
            report.find(
                Finding::new(&SSHD_SETTINGS, about, weak.what)
                    .weighed(weak.severity, "it is sshd's own rule, before any of the engine's")
                    .seen(setting.place.clone(), format!("{} {}", setting.name, setting.value))
                    .remedy(&[("setting", weak.fix)]),
            );
        }
    }
    let ca = facts.sshd.iter().find(|it| it.name == "trustedusercakeys" && it.matching.is_none());
    if let Some(setting) = ca.filter(|it| !it.value.eq_ignore_ascii_case("none")) {
        report.find(
            Finding::new(&SSH_USER_CA, "sshd trustedusercakeys", "a CA vouches for users")
                .seen(setting.place.clone(), format!("{} {}", setting.name, setting.value))
                .remedy(&[("path", &setting.value)]),
        );
    }
}

/// The settings of a name that may count for a user: of the `Match` blocks that are about him the
/// first, and all before it that may be; else what stands outside of blocks (sshd_config(5)).
fn counting<'a>(facts: &'a Facts, name: &str, user: &str) -> Vec<&'a SshdSetting> {
    let groups = facts.accounts.groups_of(user);
    let mut counting = Vec::new();
    let named = || facts.sshd.iter().filter(|setting| setting.name == name);
    for setting in named().filter(|setting| setting.matching.is_some()) {
        match setting.applies(user, &groups) {
            Applies::No => {}
            Applies::Perhaps => counting.push(setting),
            Applies::Yes => {
                counting.push(setting);
                return counting;
            }
        }
    }
    counting.extend(named().find(|setting| setting.matching.is_none()));
    counting
}

/// A setting of sshd that is a way in where it is `yes`.
struct Weak {
    name: &'static str,
    /// Whether it is about root alone.
    of_root: bool,
    severity: Severity,
    what: &'static str,
    fix: &'static str,
}

const WEAK: &[Weak] = &[
    Weak {
        name: "permitrootlogin",
        of_root: true,
        severity: Severity::High,
        what: "root may log in with a password",
        fix: "PermitRootLogin prohibit-password",
    },
    Weak {
        name: "passwordauthentication",
        of_root: false,
        severity: Severity::Medium,
        what: "users who may open the engine's socket may log in with a password",
        fix: "PasswordAuthentication no",
    },
    Weak {
        name: "permitemptypasswords",
        of_root: false,
        severity: Severity::High,
        what: "users without a password may log in",
        fix: "PermitEmptyPasswords no",
    },
];

/// Whether what is sent to `host` can be read on the way, and how bad that is.
fn plain(host: &str, tls: bool) -> Option<(Severity, &'static str)> {
    let endpoint = Endpoint::of_client(host, tls);
    if tls {
        return None;
    }
    match (endpoint.reach()?, &endpoint) {
        (Reach::Loopback, _) => Some((Severity::Medium, "it does not leave this host")),
        // `docker`, `dind`: a service beside the job in a network of its own.
        (_, Endpoint::Tcp { host, .. }) if !host.contains(['.', ':']) => {
            Some((Severity::Medium, "the name is one of a network of containers"))
        }
        _ => Some((Severity::High, "it crosses a network")),
    }
}

fn variables(facts: &Facts, report: &mut Report) {
    for variable in facts.variables.iter().filter(|variable| variable.name == "DOCKER_HOST") {
        report.looked(&PLAIN_DOCKER_HOST);
        let beside = |name: &str| {
            let same = |other: &&Variable| {
                other.name == name
                    && other.place.name == variable.place.name
                    && !other.value.is_empty()
            };
            facts.variables.iter().find(same)
        };
        let verified = beside("DOCKER_TLS_VERIFY");
        let tls = beside("DOCKER_TLS");
        let about = format!("{} ({})", variable.value, variable.place.name);
        let place = variable.place.to_string();
        let seen = format!("DOCKER_HOST={}", variable.value);
        if let Some((severity, why)) = plain(&variable.value, verified.or(tls).is_some()) {
            let what = "the engine is spoken to in plain text";
            report.find(
                Finding::new(&PLAIN_DOCKER_HOST, &about, what)
                    .weighed(severity, why)
                    .seen(variable.place.clone(), seen.clone())
                    .remedy(&[("place", &place)]),
            );
        }
        if let (None, Some(tls)) = (verified, tls) {
            report.find(
                Finding::new(&SKIP_VERIFY, &about, "TLS is on, and the engine is not verified")
                    .seen(tls.place.clone(), format!("DOCKER_TLS={}", tls.value))
                    .remedy(&[("place", &place), ("fix", "set DOCKER_TLS_VERIFY=1 as well")]),
            );
        }
    }
}

fn contexts(facts: &Facts, report: &mut Report) {
    for context in &facts.contexts {
        report.looked(&PLAIN_CONTEXT);
        report.looked(&SKIP_VERIFY);
        let connection = &context.connection;
        if let Some((severity, why)) = plain(&connection.host, context.has_tls) {
            let what = "the context has no certificates: the engine is spoken to in plain text";
            let finding = of_connection(connection, &PLAIN_CONTEXT, what);
            report.find(finding.weighed(severity, why).remedy(&[("context", &connection.name)]));
        }
        if connection.skip_verify {
            let what = "the context takes any certificate for the engine's";
            let fix =
                format!("docker context rm {0} and create it anew with its CA", connection.name);
            report.find(
                of_connection(connection, &SKIP_VERIFY, what)
                    .remedy(&[("place", &connection.place.to_string()), ("fix", &fix)]),
            );
        }
    }
    for (name, place) in &facts.current_contexts {
        report.looked(&REMOTE_CURRENT);
        let context = facts.contexts.iter().find(|context| context.connection.name == *name);
        let host = context.map(|context| context.connection.host.as_str()).unwrap_or_default();
        if !host.starts_with("unix://") {
            let what = format!("`docker` without a context speaks to `{name}`");
            report.find(
                Finding::new(&REMOTE_CURRENT, format!("{name} ({})", place.name), what)
                    .seen(place.clone(), format!("currentContext: {name}"))
                    .remedy(&[]),
            );
        }
    }
    for tool in &facts.tools {
        report.looked(&PLAIN_TOOL);
        if let Some((_, why)) = plain(&tool.host, false) {
            let what = "the tool speaks to the engine in plain text";
            report.find(
                of_connection(tool, &PLAIN_TOOL, what)
                    .weighed(Severity::Medium, why)
                    .remedy(&[("place", &tool.place.to_string())]),
            );
        }
    }
}

fn of_connection(connection: &Connection, check: &'static Check, what: &str) -> Finding {
    let place: &Place = &connection.place;
    Finding::new(check, format!("{} ({})", connection.name, place.name), what)
        .seen(place.clone(), format!("{}: {}", connection.name, connection.host))
}

#[cfg(test)]
mod tests {
    use super::super::super::facts::Accounts;
    use super::super::super::read::{accounts, ssh};
    use super::*;

    #[test]
    fn a_match_block_counts_for_those_it_is_about() {
        let accounts = || Accounts {
            users: accounts::users("root:x:0:0::/root:\nal:x:1000:1000::/home/al:\n"),
            groups: accounts::groups("docker:x:998:al\n"),
        };
        let plain = "sshd passwordauthentication";
        for (text, expected) in [
            ("PasswordAuthentication yes\n", plain.to_owned()),
            (
                "PasswordAuthentication no\nMatch User al\nPasswordAuthentication yes\n",
                format!("{plain} (Match User al)"),
            ),
            (
                "Match Group docker\nPasswordAuthentication yes\n",
                format!("{plain} (Match Group docker)"),
            ),
            ("Match User eve\nPasswordAuthentication yes\n", String::new()),
            (
                "Match Address 10.0.0.0/8\nPasswordAuthentication yes\n",
                format!("{plain} (Match Address 10.0.0.0/8)"),
            ),
            (
                "Match User *\nPasswordAuthentication no\nMatch all\nPasswordAuthentication yes\n",
                String::new(),
            ),
            ("Match User al\nPermitRootLogin yes\n", String::new()),
            (
                "Match User root\nPermitRootLogin yes\n",
                "sshd permitrootlogin (Match User root)".to_owned(),
            ),
        ] {
            let facts = Facts {
                accounts: accounts(),
                sshd: ssh::sshd(text, "/etc/ssh/sshd_config"),
                ..Facts::default()
            };
            let mut report = Report::default();
            judge(&facts, &mut report);
            let found: Vec<_> = report.findings.iter().map(|it| it.subject.as_str()).collect();
            assert_eq!(found.join("; "), expected, "{text}");
        }
    }
}
