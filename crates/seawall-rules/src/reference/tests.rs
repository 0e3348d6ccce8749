use serde_json::json;

use super::*;
use crate::head::{Framing, Method, RequestHead, Version};
use crate::operation::{Class, recognize};
use crate::target::{self, ApiVersion};

fn request(method: Method, target: &str, body: Option<&Value>) -> Request {
    let head = RequestHead {
        method,
        version: Version::Http11,
        target: target.to_owned(),
        framing: body.map_or(Framing::None, |_| Framing::Chunked),
        upgrade: None,
        expect_continue: false,
        keep_alive: true,
        content_type: body.map(|_| "application/json".to_owned()),
        forwarded: Vec::new(),
    };
    let parsed = target::parse(target).expect(target);
    let request = recognize(head, parsed, ApiVersion::new(1, 40)).expect(target);
    match body {
        Some(body) => {
            let document = crate::json::parse(body.to_string().as_bytes()).expect("a document");
            request.with_body(document).expect("a body")
        }
        None => request,
    }
}

/// What is asked for in the end, when each thing that is named is found.
fn resolved(method: Method, target: &str, body: Option<&Value>) -> Request {
    let mut scoping = Scoping::begin(request(method, target, body)).expect(target);
    for (place, reference) in scoping.references().to_vec().iter().enumerate() {
        let id = format!("full-{}", reference.name);
        let name = format!("name-of-{}", reference.name);
        scoping.found(
            place,
            &Found { id: &id, of: (Kind::Container, &id), name: &name, inspect: None },
        );
    }
    scoping.end()
}

#[test]
fn whatever_has_a_name_in_its_path_is_in_the_table() {
    const SHARED: &[Operation] = &[
        Operation::DistributionInspect,
        Operation::ImageAttestations,
        Operation::ImageGet,
        Operation::ImageHistory,
        Operation::ImageInspect,
        Operation::ImagePush,
    ];
    for &operation in Operation::ALL {
        let route = operation.route();
        let named = route.template.contains('{');
        match scope(operation) {
            Scope::Names { .. } | Scope::Tags | Scope::Removes => {
                assert!(named, "{operation:?} names nothing");
            }
            Scope::Whole => {}
            _ if named => assert!(SHARED.contains(&operation), "{operation:?}"),
            _ => {}
        }
        // What the table does not have is closed, and what a role can be given reaches nobody.
        if route.own_only() {
            let names = matches!(scope(operation), Scope::Names { .. });
            assert!(names && route.class != Class::Closed, "{operation:?}");
        }
    }
}

#[test]
fn what_a_path_names_is_written_by_its_full_id() {
    for (method, target, written) in [
        (Method::Get, "/v1.41/containers/web/json", "/v1.41/containers/full-web/json"),
        (Method::Delete, "/containers/web?force=1", "/containers/full-web?force=1"),
        (Method::Get, "/v1.41/exec/e/json", "/v1.41/exec/full-e/json"),
        (Method::Get, "/v1.41/networks/n", "/v1.41/networks/full-n"),
        (Method::Delete, "/v1.41/volumes/v", "/v1.41/volumes/full-v"),
    ] {
        let request = resolved(method, target, None);
        assert_eq!(request.target.to_string(), written);
        assert_eq!(request.params.len(), 1);
        assert!(request.params[0].starts_with("full-"), "{target}");
    }
}

#[test]
fn what_a_new_container_names_is_written_by_its_full_id() {
    let body = json!({
        "Image": "busybox",
        "HostConfig": {
            "Binds": ["data:/d:ro", "/anonymous"],
            "IpcMode": "container:a", "Links": ["b:alias", "c"],
            "Mounts": [{ "Type": "volume", "Source": "m", "Target": "/m" },
                       { "Type": "tmpfs", "Target": "/t" }],
            "NetworkMode": "net", "PidMode": "container:d", "VolumesFrom": ["e:ro", "f"],
        },
        "NetworkingConfig": { "EndpointsConfig": { "net": { "Aliases": ["x"] }, "bridge": null } },
    });
    let request = resolved(Method::Post, "/v1.41/containers/create", Some(&body));
    let written = json!({
        "Image": "full-busybox",
        "HostConfig": {
            "Binds": ["full-data:/d:ro", "/anonymous"],
            "IpcMode": "container:full-a", "Links": ["full-b:alias", "full-c"],
            "Mounts": [{ "Type": "volume", "Source": "full-m", "Target": "/m" },
                       { "Type": "tmpfs", "Target": "/t" }],
            "NetworkMode": "full-net", "PidMode": "container:full-d",
            "VolumesFrom": ["full-e:ro", "full-f"],
        },
        "NetworkingConfig": {
            "EndpointsConfig": { "full-net": { "Aliases": ["x"] }, "bridge": null },
        },
    });
    assert_eq!(request.body.as_ref().map(Document::value), Some(&written));
    // Nothing of it is on the catalogue then, and the network is known by its own name.
    for fact in &request.facts.asks {
        assert!(!matches!(fact.ask, Ask::Escape(..)), "{fact:?}");
    }
    let network = Ask::Network("name-of-net".to_owned());
    assert_eq!(request.facts.asks.iter().filter(|fact| fact.ask == network).count(), 2);
}

#[test]
fn what_a_reference_cannot_answer_for_stays_on_the_catalogue() {
    let body = json!({ "HostConfig": { "PidMode": "host", "Cgroup": "container:a" },
        "NetworkingConfig": { "EndpointsConfig": { "container:b": null, "n": { "Links": ["c"] } } } });
    let request = resolved(Method::Post, "/v1.41/containers/create", Some(&body));
    let mut fields: Vec<_> = request
        .facts
        .asks
        .iter()
        .filter(|fact| matches!(fact.ask, Ask::Escape(..)))
        .map(|fact| fact.field.as_str())
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "HostConfig.Cgroup",
            "HostConfig.PidMode",
            "NetworkingConfig.EndpointsConfig.container:b",
            "NetworkingConfig.EndpointsConfig.n.Links"
        ]
    );
}

#[test]
fn a_container_that_is_reached_into_asks_for_what_it_has() {
    let inspect = json!({ "HostConfig": {
        "Privileged": true, "Binds": ["/srv:/x"], "CapAdd": ["SYS_ADMIN"], "Runtime": "runc",
        "MaskedPaths": ["/proc/acpi"], "CgroupnsMode": "host", "Memory": 0, "NetworkMode": "default",
        "PidMode": "", "SecurityOpt": null, "Devices": [],
    } });
    let target = "/v1.41/containers/web/attach?stream=1";
    let mut scoping = Scoping::begin(request(Method::Post, target, None)).expect(target);
    scoping.found(
        0,
        &Found { id: "i", of: (Kind::Container, "i"), name: "n", inspect: Some(&inspect) },
    );
    let request = scoping.end();
    let fields: Vec<_> = request.facts.asks.iter().map(|fact| fact.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "HostConfig.Binds[0] of container `web`",
            "HostConfig.CapAdd[0] of container `web`",
            "HostConfig.Privileged of container `web`"
        ]
    );
    let plain = json!({ "HostConfig": { "NetworkMode": "net", "Binds": ["data:/d"] } });
    assert_eq!(facts::of_container(&plain), []);
    assert_ne!(facts::of_container(&json!({})), []);
    assert_ne!(facts::of_container(&json!({ "HostConfig": { "Devices": [{ "New": 1 }] } })), []);
}

#[test]
fn labels_of_the_gate_go_over_those_of_the_client() {
    for body in [json!({ "Labels": { "a": "b" } }), json!({ "Labels": null }), json!({})] {
        let target = "/v1.41/networks/create";
        let mut scoping = Scoping::begin(request(Method::Post, target, Some(&body))).expect(target);
        scoping.label(&[(OWNER_LABEL, "me")]);
        let request = scoping.end();
        let labels = request.body.as_ref().and_then(|body| body.field("Labels")).expect("labels");
        assert_eq!(labels.get(OWNER_LABEL), Some(&json!("me")));
        assert_eq!(labels.get("a"), body.get("Labels").and_then(|labels| labels.get("a")));
    }
    // A volume may be made without a body.
    let mut scoping =
        Scoping::begin(request(Method::Post, "/volumes/create", None)).expect("volumes");
    scoping.label(&[(OWNER_LABEL, "me")]);
    assert!(scoping.end().body.is_some());
}

#[test]
fn a_list_is_narrowed_to_what_is_ones_own() {
    let own = ["aa11".to_owned(), "bb22".to_owned()];
    let none = "0".repeat(64);
    for (kind, target, expected) in [
        (Kind::Container, "/containers/json", json!({ "id": { "aa11": true, "bb22": true } })),
        (
            Kind::Container,
            r#"/containers/json?filters={"id":["a1"],"status":["exited"]}"#,
            json!({ "id": { "aa11": true }, "status": { "exited": true } }),
        ),
        (
            Kind::Container,
            r#"/containers/json?filters={"id":{"cc":true}}"#,
            json!({ "id": { none.as_str(): true } }),
        ),
        (Kind::Volume, r#"/volumes?filters={"name":["zz"]}"#, json!({ "name": { "^$": true } })),
        (
            Kind::Volume,
            r#"/volumes?filters={"name":["bb"]}"#,
            json!({ "name": { "^bb22$": true } }),
        ),
    ] {
        let target = target.replace('"', "%22");
        let mut scoping = Scoping::begin(request(Method::Get, &target, None)).expect("a list");
        scoping.narrow(kind, &own).expect("filters");
        let request = scoping.end();
        let [(key, written)] = &request.target.query[..] else { panic!("{target}") };
        assert_eq!(key, "filters");
        assert_eq!(serde_json::from_str::<Value>(written).expect("JSON"), expected, "{target}");
    }
    for (filters, rule) in [
        (r#"{"before":["x"]}"#, "isolation.filter"),
        (r#"{"since":["x"]}"#, "isolation.filter"),
        (r#"{"id":"x"}"#, "query.filters"),
        ("[]", "query.filters"),
        ("{", "query.filters"),
    ] {
        let target = format!("/containers/json?filters={}", filters.replace('"', "%22"));
        let mut scoping = Scoping::begin(request(Method::Get, &target, None)).expect("a list");
        let refused = scoping.narrow(Kind::Container, &own).expect_err(filters);
        assert_eq!(refused.rule, rule, "{filters}");
    }
    for (target, passes) in [
        ("/images/json?filters={%22before%22:[%22x%22]}", false),
        ("/images/json?filters={%22reference%22:[%22x%22]}", true),
        ("/events?filters={%22label%22:[%22a=b%22]}", true),
    ] {
        let mut scoping = Scoping::begin(request(Method::Get, target, None)).expect("a list");
        assert_eq!(scoping.keep(std::sync::Arc::new(|_| true)).is_ok(), passes, "{target}");
    }
}

#[test]
fn a_name_that_could_be_an_id_is_known() {
    let name = |name: &str| vec![("name".to_owned(), name.to_owned())];
    for (operation, given, could) in [
        (Operation::ContainerCreate, "c0ffeec0ffee", true),
        (Operation::ContainerRename, "/C0FFEEC0FFEE", true),
        (Operation::ContainerCreate, "c0ffeec0ffe", false),
        (Operation::ContainerCreate, "c0ffeec0ffee-1", false),
        (Operation::ContainerList, "c0ffeec0ffee", false),
    ] {
        assert_eq!(could_be_an_id(operation, &name(given)).is_some(), could, "{given}");
    }
}
