//! What docker clients really send, recorded in front of an engine 20.10 (`requests/*.txt`): the
//! closed schema must take all of it, with no key unknown, as the operation it was.
//!
//! Recorded were the CLI 20.10.24 and 28.2.2 (BuildKit by the former), Compose 1.29.2, docker-py
//! 5.0.3 and 7.1.0, bollard 0.21.1 and dockerode 5.0.1. A record is a comment that says what was
//! done, `= ` and the operation by the engine's own router, and the request head. Credentials
//! are replaced by `e30=`, body lengths by 2, object ids cut to 12 digits.

use std::collections::BTreeSet;
use std::path::Path;

use seawall_rules::head::{self, HeadLimits};
use seawall_rules::operation::{self, Class, Operation, Request};
use seawall_rules::policy::{ADMIN, Permissions, Roles, Standing, judge};
use seawall_rules::target::{self, ApiVersion};
use seawall_rules::verdict::Verdict;

struct Recorded {
    /// `docker-cli-28: docker ps`
    what: String,
    operation: String,
    head: String,
}

fn recorded() -> Vec<Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/requests");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of recorded requests")
        .map(|entry| entry.expect("its entries").path())
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let client = file.file_stem().expect("a name").to_string_lossy();
        let text = std::fs::read_to_string(&file).expect("a readable file");
        for record in text.split_terminator("\n\n") {
            let (what, rest) = record.split_once('\n').expect("a comment");
            let (operation, head) = rest.split_once('\n').expect("an operation");
            all.push(Recorded {
                what: format!("{client}: {}", what.strip_prefix("# ").expect("a comment")),
                operation: operation.strip_prefix("= ").expect("an operation").to_owned(),
                head: head.replace('\n', "\r\n") + "\r\n\r\n",
            });
        }
    }
    all
}

fn recognize(head: &[u8]) -> Result<Request, String> {
    let limits = HeadLimits { bytes: 64 * 1024, headers: 100 };
    let (head, length) = head::parse(head, limits)
        .map_err(|refusal| refusal.to_string())?
        .filter(|(_, length)| *length == head.len())
        .ok_or("the head has no end")?;
    assert!(length > 0);
    let target = target::parse(&head.target).map_err(|refusal| refusal.to_string())?;
    operation::recognize(head, target, ApiVersion::new(1, 40))
        .map_err(|(_, refusal)| refusal.to_string())
}

#[test]
fn every_recorded_request_is_recognized_as_what_it_was() {
    let mut wrong = Vec::new();
    for Recorded { what, operation, head } in recorded() {
        match recognize(head.as_bytes()) {
            Ok(request) if request.route.operation.as_str() != operation => {
                wrong.push(format!("{what}\n  is {operation}, not {:?}", request.route.operation));
            }
            Ok(request) if !request.unknown.is_empty() => {
                wrong.push(format!("{what}\n  has unknown keys {:?}", request.unknown));
            }
            Ok(_) => {}
            Err(refusal) => wrong.push(format!("{what}\n  {refusal}\n{head}")),
        }
    }
    assert!(wrong.is_empty(), "{} requests:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_recorded_request_passes_for_admin_and_is_forwarded_as_itself() {
    let permissions = Permissions::compile(&Roles::built_in(), [ADMIN]);
    for Recorded { what, operation, head } in recorded() {
        let request = recognize(head.as_bytes()).expect(&what);
        let framing = match request.route.body {
            operation::BodyKind::Ignored | operation::BodyKind::None => head::Framing::None,
            _ => request.head.framing,
        };
        let Verdict::Allow(grant) = judge(&permissions, request) else {
            panic!("{what} is refused")
        };
        let mut out = Vec::new();
        grant.request().write_head(framing, grant.request().upgrade.is_none(), &mut out);
        let again = recognize(&out).expect(&what);
        assert_eq!(again.route.operation.as_str(), operation, "{what}");
        assert_eq!(again.target, grant.request().target, "{what}");
        assert_eq!(again.params, grant.request().params, "{what}");
        assert_eq!(again.upgrade, grant.request().upgrade, "{what}");
        assert_eq!(again.head.forwarded, grant.request().head.forwarded, "{what}");
    }
}

/// A record missing is a promise untested: here is what no recorded client sent. Podman's own API
/// no client of Docker's speaks.
#[test]
fn nearly_every_operation_was_recorded() {
    let seen: BTreeSet<_> = recorded().into_iter().map(|record| record.operation).collect();
    let missing: Vec<_> = Operation::ALL
        .iter()
        .filter(|operation| operation.route().class != Class::Closed)
        .map(|operation| operation.as_str())
        .filter(|id| !seen.contains(*id) && !id.ends_with("Libpod"))
        .collect();
    assert_eq!(
        missing,
        [
            "ContainerAttachWebsocket",
            "ImageAttestations",
            "BuildCancel",
            "Grpc",
            "VolumeUpdate",
            "ConfigUpdate",
            "SecretUpdate",
        ]
    );
}

/// A preset grants what its program was seen to ask for, and nothing else; the other clients
/// work under the role that docs/clients.md names for them.
#[test]
fn each_program_has_the_role_that_it_needs() {
    let roles = Roles::built_in();
    let presets = [("traefik-3.7", "traefik"), ("prometheus-0.313", "prometheus")];
    let others = [("compose-5.1", "developer"), ("testcontainers-4.15", "developer")];
    for (client, role) in presets.into_iter().chain(others) {
        let permissions = Permissions::compile(&roles, [role]);
        let granted: BTreeSet<_> = Operation::ALL
            .iter()
            .filter(|&&operation| permissions.rule(operation).is_some())
            .map(|operation| operation.as_str())
            .collect();
        let everyone = ["SystemPing", "SystemPingHead", "SystemPingLibpod", "SystemPingHeadLibpod"];
        let asked: BTreeSet<_> = recorded()
            .into_iter()
            .filter(|record| record.what.starts_with(&format!("{client}: ")))
            .map(|record| record.operation)
            .filter(|operation| !everyone.contains(&operation.as_str()))
            .collect();
        assert!(!asked.is_empty(), "{client}");
        for operation in &asked {
            assert!(granted.contains(operation.as_str()), "{role} lacks {operation}");
        }
        let is_preset = roles.named(role).is_some_and(|role| role.standing() == Standing::Preset);
        assert_eq!(is_preset, presets.contains(&(client, role)));
        if is_preset {
            let granted = granted.into_iter().filter(|operation| !everyone.contains(operation));
            assert!(granted.eq(asked.iter().map(String::as_str)), "{role} grants more");
        }
    }
}
