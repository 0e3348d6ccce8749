//! How engines are configured.

use super::super::catalogue::engine::*;
use super::super::facts::{Engine, Facts, Program};
use super::super::read::command_line::{Origin, Setting, Settings};
use super::super::read::endpoint::Reach;
use super::super::vulnerabilities::{Component, OLDEST_CURRENT_ENGINE, Release, known};
use super::super::{Check, Finding, Place, Report, Severity};
use super::network::{self, Auth, subject};

pub(super) fn judge(facts: &Facts, report: &mut Report) {
    releases(facts, report);
    for engine in &facts.engines {
        tls_environment(engine, report);
        if let Some(settings) = engine.settings()
            && engine.program == Program::Dockerd
        {
            tls(engine, settings, facts, report);
            twice(engine, report);
            not_restarted(engine, report);
            switches(engine, settings, report);
        }
    }
}

/// What is known of the releases of dockerd and its runc. Distributions carry fixes back without
/// changing the number: of theirs only the age is told.
fn releases(facts: &Facts, report: &mut Report) {
    for (socket, engine) in facts.releases.iter().filter(|(_, engine)| !engine.podman) {
        let parts = [
            (Component::Engine, "dockerd", Some(&engine.version)),
            (Component::Runc, "runc", engine.runc.as_ref()),
        ];
        for (component, name, version) in parts {
            let Some(version) = version else { continue };
            let Some(release) = Release::parse(version) else {
                let why = format!("`{version}` is no version that can be compared");
                report.unknown(&OLD_RELEASE, format!("{name} behind {socket}"), why);
                continue;
            };
            report.looked(&OLD_RELEASE);
            let known = match release.of_a_distribution {
                true => Vec::new(),
                false => known(component, &release),
            };
            let is_old =
                component == Component::Engine && release.number[0] < OLDEST_CURRENT_ENGINE;
            let age = format!("is older than release {OLDEST_CURRENT_ENGINE}");
            let (what, severity) = match known.first() {
                Some(worst) => ("has known vulnerabilities".to_owned(), worst.severity),
                None if is_old && release.of_a_distribution => (age, Severity::Low),
                None if is_old => (age, Severity::Medium),
                None => continue,
            };
            let why = match release.of_a_distribution {
                true => "it is a distribution's, which carries fixes back",
                false => "the worst that is known of it",
            };
            let mut finding = Finding::new(
                &OLD_RELEASE,
                format!("{name} behind {socket}"),
                format!("{name} {version} {what}"),
            )
            .weighed(severity, why)
            .seen(Place::whole(socket), format!("answers /version: {version}"));
            for vulnerability in known {
                let place = Place::whole(vulnerability.id);
                finding = finding.seen(place, vulnerability.what);
            }
            report.find(finding);
        }
    }
}

/// What an engine is called in subjects.
fn name(engine: &Engine) -> String {
    subject(if engine.rootless { "dockerd (rootless)" } else { "dockerd" }, engine)
}

fn shown(setting: &Setting) -> String {
    match setting.origin {
        Origin::CommandLine => format!("--{}={}", setting.name, setting.value),
        Origin::File => format!("{}: {}", setting.name, setting.value),
    }
}

fn tls(engine: &Engine, settings: &Settings, facts: &Facts, report: &mut Report) {
    let endpoints = network::endpoints(engine, facts);
    if endpoints.is_empty() {
        return;
    }
    report.looked(&TLS_FILES_ALONE);
    let auth = network::auth(engine.program, settings);
    let named = ["tlscacert", "tlscert", "tlskey"].into_iter().find_map(|key| settings.one(key));
    if let (Auth::Plain, Some(file)) = (auth, named)
        && endpoints.iter().any(|endpoint| endpoint.auth == Auth::Plain)
    {
        let what = "certificates are named, and the engine serves plain text all the same";
        let finding = Finding::new(&TLS_FILES_ALONE, name(engine), what)
            .seen(file.place.clone(), shown(file))
            .remedy(&[("place", &file.place.to_string())]);
        let local = endpoints.iter().all(|endpoint| endpoint.reach == Reach::Loopback);
        report.find(match local {
            true => finding.weighed(Severity::High, "only this host reaches it"),
            false => finding,
        });
    }
    if auth != Auth::Verified {
        return;
    }
    report.looked(&WIDE_CA);
    if let Some(ca) = settings.one("tlscacert") {
        let many = engine.ca_count.filter(|count| *count > MOST_CAS);
        let what = match (ca.value.as_str(), many) {
            ("", _) => {
                Some("`tlscacert` is empty: the system's public CAs vouch for clients".to_owned())
            }
            (path, _) if BUNDLES.contains(&path) => {
                Some(format!("`{path}` holds the public CAs, and any of them vouches for clients"))
            }
            (path, Some(count)) => Some(format!("`{path}` holds {count} CAs")),
            (_, None) => None,
        };
        if let Some(what) = what {
            report
                .find(Finding::new(&WIDE_CA, name(engine), what).seen(ca.place.clone(), shown(ca)));
        }
    }
}

fn tls_environment(engine: &Engine, report: &mut Report) {
    report.looked(&TLS_ENVIRONMENT);
    let set = |name: &str| {
        engine
            .environment
            .iter()
            .find(|variable| variable.name == name && !variable.value.is_empty())
    };
    for variable in ["DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"].into_iter().filter_map(set) {
        let about = format!("{} ({})", variable.name, name(engine));
        let what = format!("{} is set in the engine's environment", variable.name);
        report.find(
            Finding::new(&TLS_ENVIRONMENT, about, what)
                .seen(variable.place.clone(), format!("{}={}", variable.name, variable.value))
                .remedy(&[("variable", &variable.name)]),
        );
    }
    let flags = "DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS";
    if let Some(variable) = set(flags) {
        report.looked(&ROOTLESS_PORT);
        if variable.value.contains(":2375") || variable.value.contains(":2376") {
            report.find(
                Finding::new(&ROOTLESS_PORT, name(engine), "rootlesskit publishes the API's port")
                    .seen(variable.place.clone(), format!("{flags}={}", variable.value))
                    .remedy(&[("place", &variable.place.to_string())]),
            );
        }
    }
}

fn twice(engine: &Engine, report: &mut Report) {
    let Some(settings) = engine.on_disk.as_ref().or(engine.running.as_ref()) else { return };
    report.looked(&FLAG_AND_FILE);
    for setting in settings.0.iter().filter(|setting| setting.origin == Origin::File) {
        let flag = settings
            .all(&setting.name)
            .find(|other| other.origin == Origin::CommandLine && setting.name == other.name);
        if let Some(flag) = flag {
            let about = format!("{} ({})", setting.name, name(engine));
            let what = format!("`{}` is given as a flag and in daemon.json", setting.name);
            report.find(
                Finding::new(&FLAG_AND_FILE, about, what)
                    .seen(flag.place.clone(), shown(flag))
                    .seen(setting.place.clone(), shown(setting)),
            );
        }
    }
}

fn not_restarted(engine: &Engine, report: &mut Report) {
    let (Some(running), Some(on_disk)) = (&engine.running, &engine.on_disk) else { return };
    report.looked(&NOT_RESTARTED);
    let flags = |settings: &Settings| {
        let flags = settings.0.iter().filter(|setting| setting.origin == Origin::CommandLine);
        let mut flags: Vec<_> = flags.map(shown).collect();
        flags.sort();
        flags
    };
    let (now, then) = (flags(running), flags(on_disk));
    let place = |settings: &Settings| {
        settings.0.first().map_or_else(|| Place::whole("dockerd"), |setting| setting.place.clone())
    };
    if now != then {
        let what = "the engine runs with other flags than its unit has";
        report.find(
            Finding::new(&NOT_RESTARTED, name(engine), what)
                .seen(place(running), format!("runs with: {}", now.join(" ")))
                .seen(place(on_disk), format!("would start with: {}", then.join(" "))),
        );
    } else if engine.file_is_newer {
        let what = "daemon.json was changed after the engine started";
        report.find(
            Finding::new(&NOT_RESTARTED, name(engine), what)
                .weighed(Severity::Low, "it may have been reloaded since"),
        );
    }
}

/// Switches that weaken the engine where they are on, off, or not set.
fn switches(engine: &Engine, settings: &Settings, report: &mut Report) {
    let find = |report: &mut Report, check: &'static Check, key: &str, what: &str| {
        let about = format!("{key} ({})", name(engine));
        let mut finding = Finding::new(check, about, what);
        let mut place = "daemon.json".to_owned();
        if let Some(setting) = settings.one(key) {
            place = setting.place.to_string();
            finding = finding.seen(setting.place.clone(), shown(setting));
        }
        report.find(finding.remedy(&[("key", key), ("place", &place)]));
    };
    for switch in SWITCHES {
        report.looked(switch.check);
        let is = settings.is_on(switch.key);
        if is == Some(switch.bad) || (is.is_none() && switch.unset_is_bad) {
            find(report, switch.check, switch.key, switch.what);
        }
    }
    report.looked(&NO_USERNS);
    if !engine.rootless && settings.one("userns-remap").is_none_or(|remap| remap.value.is_empty()) {
        find(report, &NO_USERNS, "userns-remap", "user namespaces are not used");
    }
    report.looked(&INSECURE_REGISTRY);
    for registry in settings.all("insecure-registry") {
        let about = format!("{} ({})", registry.value, name(engine));
        let what = format!("`{}` is not verified", registry.value);
        report.find(
            Finding::new(&INSECURE_REGISTRY, about, what)
                .seen(registry.place.clone(), shown(registry))
                .remedy(&[("registry", &registry.value), ("place", &registry.place.to_string())]),
        );
    }
}

struct Switch {
    key: &'static str,
    check: &'static Check,
    bad: bool,
    unset_is_bad: bool,
    what: &'static str,
}

const SWITCHES: &[Switch] = &[
    Switch {
        key: "iptables",
        check: &NO_IPTABLES,
        bad: false,
        unset_is_bad: false,
        what: "the engine writes no IPv4 firewall rules",
    },
    Switch {
        key: "ip6tables",
        check: &NO_IPTABLES,
        bad: false,
        unset_is_bad: false,
        what: "the engine writes no IPv6 firewall rules",
    },
    Switch {
        key: "icc",
        check: &INTER_CONTAINER,
        bad: true,
        unset_is_bad: true,
        what: "containers on the default bridge are not kept apart",
    },
    Switch {
        key: "live-restore",
        check: &NO_LIVE_RESTORE,
        bad: false,
        unset_is_bad: true,
        what: "containers stop when the engine does",
    },
    Switch {
        key: "no-new-privileges",
        check: &NEW_PRIVILEGES,
        bad: false,
        unset_is_bad: true,
        what: "containers start without `no-new-privileges`",
    },
    Switch { key: "debug", check: &DEBUG, bad: true, unset_is_bad: false, what: "debug is on" },
    Switch {
        key: "experimental",
        check: &DEBUG,
        bad: true,
        unset_is_bad: false,
        what: "experimental features are on",
    },
];

/// Where distributions keep the public CAs.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
];

/// An old and a new CA of one's own, and one more.
const MOST_CAS: usize = 3;
