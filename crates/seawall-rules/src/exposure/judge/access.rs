//! SSH, and where this host's clients point.

use super::super::catalogue::access::*;
use super::super::facts::{Facts, SocketOf};
use super::super::read::context::Connection;
use super::super::read::endpoint::{Endpoint, Reach};
use super::super::read::ssh::SshdSetting;
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
    let first = |name: &str| {
        let mut settings = facts.sshd.iter();
        settings.find(|setting| setting.name == name && setting.matching.is_none())
    };
    let find = |report: &mut Report, setting: &SshdSetting, severity, what: &str, fix: &str| {
        report.find(
            Finding::new(&SSHD_SETTINGS, format!("sshd {}", setting.name), what)
                .weighed(severity, "it is sshd's own rule, before any of the engine's")
                .seen(setting.place.clone(), format!("{} {}", setting.name, setting.value))
                .remedy(&[("setting", fix)]),
        );
    };
    let is = |setting: &&SshdSetting, value: &str| setting.value.eq_ignore_ascii_case(value);
    if let Some(setting) = first("permitrootlogin").filter(|it| is(it, "yes")) {
        let what = "root may log in with a password";
        find(report, setting, Severity::High, what, "PermitRootLogin prohibit-password");
    }
    if let Some(setting) = first("passwordauthentication").filter(|it| is(it, "yes")) {
        let what = "users who may open the engine's socket may log in with a password";
        find(report, setting, Severity::Medium, what, "PasswordAuthentication no");
    }
    if let Some(setting) = first("permitemptypasswords").filter(|it| is(it, "yes")) {
        let what = "users without a password may log in";
        find(report, setting, Severity::High, what, "PermitEmptyPasswords no");
    }
    if let Some(setting) = first("trustedusercakeys").filter(|it| !is(it, "none")) {
        report.find(
            Finding::new(&SSH_USER_CA, "sshd trustedusercakeys", "a CA vouches for users")
                .seen(setting.place.clone(), format!("{} {}", setting.name, setting.value))
                .remedy(&[("path", &setting.value)]),
        );
    }
}

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
