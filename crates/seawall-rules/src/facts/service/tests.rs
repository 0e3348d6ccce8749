use std::collections::BTreeMap;

use crate::facts::{Ask, Attachment, Facts};
use crate::head::{Framing, Method, RequestHead, Version};
use crate::json;
use crate::operation::{Operation, Request};
use crate::target::ApiVersion;
use crate::verdict::Refusal;

fn read(operation: Operation, body: &str) -> Result<Facts, Refusal> {
    let mut facts = Facts::default();
    let schema = operation.route().schema.expect("it has a schema");
    facts.add_body(schema, &json::parse(body.as_bytes()).expect(body))?;
    Ok(facts)
}

/// What it asks for beyond having no limits.
fn asks(operation: Operation, body: &str) -> Vec<(&'static str, String)> {
    let facts = read(operation, body).unwrap_or_else(|refusal| panic!("{body}: {refusal}"));
    assert_eq!(facts.unknown, [""; 0], "{body}");
    let unlimited =
        |ask: &Ask| matches!(ask, Ask::Cpus(None) | Ask::Memory(None) | Ask::Pids(None));
    let asks = facts.asks.iter().filter(|fact| !unlimited(&fact.ask));
    asks.map(|fact| (fact.ask.rule(), format!("{} {}", fact.field, fact.ask))).collect()
}

#[track_caller]
fn container(fields: &str, expected: &[(&str, &str)]) {
    let body = format!(r#"{{"TaskTemplate":{{"ContainerSpec":{{{fields}}}}}}}"#);
    let found = asks(Operation::ServiceCreate, &body);
    let at = |(rule, told): &(&'static str, String)| {
        (*rule, told.replace("TaskTemplate.ContainerSpec.", ""))
    };
    let found: Vec<_> = found.iter().map(at).collect();
    let expected: Vec<_> = expected.iter().map(|&(rule, told)| (rule, told.to_owned())).collect();
    assert_eq!(found, expected, "{body}");
}

#[test]
fn what_the_command_line_sends_asks_for_the_image_alone() {
    let body = r#"{"Name":"web","Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"nginx",
        "Init":false,"DNSConfig":{},"Isolation":"default","Env":["A=b"],"Args":["x"],
        "Privileges":{"CredentialSpec":null,"SELinuxContext":null,"NoNewPrivileges":false},
        "StopGracePeriod":10000000000},"Resources":{"Limits":{},"Reservations":{}},
        "RestartPolicy":{"Condition":"any","Delay":5000000000,"MaxAttempts":0},
        "Placement":{"Constraints":["node.role==worker"],
            "Preferences":[{"Spread":{"SpreadDescriptor":"node.labels.zone"}}],
            "Platforms":[{"Architecture":"amd64","OS":"linux"}]},
        "ForceUpdate":0,"Runtime":"container"},
        "Mode":{"Replicated":{"Replicas":1}},
        "UpdateConfig":{"Parallelism":1,"Monitor":5000000000,"MaxFailureRatio":0.25,
            "FailureAction":"rollback","Order":"stop-first"},
        "EndpointSpec":{"Mode":"vip"}}"#;
    for operation in [Operation::ServiceCreate, Operation::ServiceUpdate] {
        let image = "TaskTemplate.ContainerSpec.Image `nginx`".to_owned();
        assert_eq!(asks(operation, body), [("role.images", image)]);
    }
}

#[test]
fn its_containers_ask_for_what_containers_ask_for() {
    for (fields, expected) in [
        (r#""User":"root""#, ("role.users", "User `root`")),
        (r#""Groups":["disk"]"#, ("role.users", "Groups[0] `:disk`")),
        (
            r#""CapabilityAdd":["CAP_SYS_ADMIN"]"#,
            ("escape.capability", "CapabilityAdd[0] `SYS_ADMIN`"),
        ),
        (r#""CapabilityAdd":["ALL"]"#, ("escape.capability", "CapabilityAdd[0] `ALL`")),
        (r#""Dir":"/proc/self/fd/8""#, ("escape.working-dir", "Dir `/proc/self/fd/8`")),
        (r#""Sysctls":{"kernel.msgmax":"1"}"#, ("escape.sysctl", "Sysctls.kernel.msgmax set")),
        (
            r#""Ulimits":[{"Name":"rtprio","Soft":1,"Hard":1}]"#,
            ("escape.ulimit", "Ulimits[0].Name `rtprio`"),
        ),
        (r#""OomScoreAdj":-1000"#, ("escape.oom", "OomScoreAdj -1000")),
        (
            r#""Labels":{"io.seawall.owner":"a"}"#,
            ("escape.reserved-label", "Labels.io.seawall.owner `a`"),
        ),
        (
            r#""Secrets":[{"SecretID":"a","SecretName":"b","File":{"Name":"c","Mode":292}}]"#,
            ("escape.swarm-secret", "Secrets `SecretID`, `SecretName`"),
        ),
        (
            r#""Configs":[{"ConfigID":"a","ConfigName":"b","Runtime":{}}]"#,
            ("escape.swarm-secret", "Configs `ConfigID`, `ConfigName`"),
        ),
        (
            r#""Privileges":{"Seccomp":{"Mode":"unconfined"}}"#,
            ("escape.security-opt", "Privileges.Seccomp.Mode `unconfined`"),
        ),
        (
            r#""Privileges":{"Seccomp":{"Profile":"e30="}}"#,
            ("escape.security-opt", "Privileges.Seccomp.Profile `e30=`"),
        ),
        (
            r#""Privileges":{"AppArmor":{"Mode":"disabled"}}"#,
            ("escape.security-opt", "Privileges.AppArmor.Mode `disabled`"),
        ),
        (
            r#""Privileges":{"SELinuxContext":{"Disable":true}}"#,
            ("escape.security-opt", "Privileges.SELinuxContext.Disable true"),
        ),
        (
            r#""Privileges":{"CredentialSpec":{"File":"spec.json"}}"#,
            ("escape.credential-spec", "Privileges.CredentialSpec.File `spec.json`"),
        ),
        (
            r#""Mounts":[{"Type":"bind","Source":"/","Target":"/h"}]"#,
            ("escape.bind", "Mounts[0].Source `/:rw`"),
        ),
        (
            r#""Mounts":[{"Type":"volume","Source":"v","Target":"/h"}]"#,
            ("role.volumes", "Mounts[0].Source `v`"),
        ),
        (
            r#""Mounts":[{"Type":"volume","VolumeOptions":{"DriverConfig":{"Options":{"o":"bind"}}}}]"#,
            ("escape.volume-driver", "Mounts[0].VolumeOptions.DriverConfig.Options `o`"),
        ),
        (
            r#""Mounts":[{"Type":"cluster","Source":"v","ClusterOptions":{}}]"#,
            ("escape.mount-type", "Mounts[0].Type `cluster`"),
        ),
    ] {
        container(fields, &[expected]);
    }
    container(
        r#""Mounts":[{"Type":"bind","Source":"/srv/{{index .Service.Labels \"a\"}}"}]"#,
        &[
            ("escape.bind", "Mounts[0].Source `/srv/{{index .Service.Labels \"a\"}}:rw`"),
            ("escape.bind-path", "Mounts[0].Source `/srv/{{index .Service.Labels \"a\"}}`"),
        ],
    );
}

#[test]
fn the_rest_of_a_service_is_read_too() {
    for (body, expected) in [
        (
            r#"{"TaskTemplate":{"Runtime":"plugin","PluginSpec":{"name":"p","remote":"r"}}}"#,
            &["escape.service-runtime", "escape.service-runtime"][..],
        ),
        (
            r#"{"TaskTemplate":{"Runtime":"attachment","NetworkAttachmentSpec":{"ContainerID":"a"}}}"#,
            &["escape.service-runtime", "escape.service-runtime"],
        ),
        (r#"{"TaskTemplate":{"Networks":[{"Target":"host"}]}}"#, &["escape.service-network"]),
        (r#"{"Networks":[{"Target":"shop"}]}"#, &["escape.service-network"]),
        (r#"{"TaskTemplate":{"LogDriver":{"Name":"gelf"}}}"#, &["escape.log-driver"]),
        (
            r#"{"TaskTemplate":{"Resources":{"Reservations":{"GenericResources":
                [{"DiscreteResourceSpec":{"Kind":"GPU","Value":1}}]}}}}"#,
            &["escape.device-request"],
        ),
        (r#"{"TaskTemplate":{"Resources":{"Limits":{"NanoCPUs":5}}}}"#, &["role.cpus"]),
        (r#"{"TaskTemplate":{"Resources":{"Reservations":{"MemoryBytes":5}}}}"#, &["role.memory"]),
        (r#"{"EndpointSpec":{"Ports":[{"TargetPort":80,"PublishedPort":80}]}}"#, &["role.ports"]),
        (r#"{"Labels":{"io.seawall.owner":"a"}}"#, &["escape.reserved-label"]),
    ] {
        let found: Vec<_> =
            asks(Operation::ServiceCreate, body).into_iter().map(|(rule, _)| rule).collect();
        assert_eq!(found, expected, "{body}");
    }
    let port = |text: &str| {
        let body = format!(r#"{{"EndpointSpec":{{"Ports":[{{{text}}}]}}}}"#);
        asks(Operation::ServiceCreate, &body)[0].1.clone()
    };
    assert!(port(r#""TargetPort":80"#).ends_with("`*:30000-32767`"));
    assert!(port(r#""PublishMode":"host""#).ends_with("`*:32768-60999`"));
    assert!(port(r#""PublishedPort":70000"#).ends_with("`*:0-65535`"));
}

#[test]
fn without_limits_there_are_none() {
    for body in ["{}", r#"{"TaskTemplate":null}"#, r#"{"TaskTemplate":{"Resources":null}}"#] {
        let asks = read(Operation::ServiceCreate, body).unwrap().asks;
        let asks: Vec<_> = asks.into_iter().map(|fact| fact.ask).collect();
        assert_eq!(asks, [Ask::Memory(None), Ask::Cpus(None), Ask::Pids(None)], "{body}");
    }
}

#[test]
fn what_was_hidden_is_not_written_back() {
    let body = r#"{"TaskTemplate":{"ContainerSpec":{"Env":["PASSWORD=***"]}}}"#;
    assert_eq!(asks(Operation::ServiceCreate, body), []);
    let hidden = ("escape.hidden-value", " `***`".to_owned());
    assert_eq!(asks(Operation::ServiceUpdate, body), std::slice::from_ref(&hidden));
    let labels = r#"{"Name":"a","Labels":{"token":"***"}}"#;
    assert_eq!(asks(Operation::SecretUpdate, labels), std::slice::from_ref(&hidden));
    assert_eq!(asks(Operation::ConfigUpdate, labels), [hidden]);
}

#[test]
fn secrets_are_written_by_nobody_but_who_makes_them() {
    for (operation, body, rule) in [
        (Operation::SecretCreate, r#"{"Name":"a","Data":"YQ==","Labels":{}}"#, None),
        (Operation::ConfigCreate, r#"{"Name":"a","Data":"YQ==","Labels":null}"#, None),
        (Operation::SecretCreate, r#"{"Driver":{"Name":"vault"}}"#, Some("escape.secret-driver")),
        (
            Operation::ConfigCreate,
            r#"{"Templating":{"Name":"golang"}}"#,
            Some("escape.secret-driver"),
        ),
        (
            Operation::SecretCreate,
            r#"{"Labels":{"io.seawall.owner":"a"}}"#,
            Some("escape.reserved-label"),
        ),
    ] {
        let found = asks(operation, body);
        assert_eq!(found.first().map(|(rule, _)| *rule), rule, "{body}");
    }
}

#[test]
fn unknown_fields_are_named_and_others_must_be_of_their_type() {
    for operation in Operation::ALL {
        let Some(schema) = operation.route().schema else { continue };
        let id = operation.as_str();
        let mut facts = Facts::default();
        let list = matches!(
            operation,
            Operation::PluginPull | Operation::PluginSet | Operation::PluginUpgrade
        );
        if !list {
            let body = json::parse(br#"{"Surprise":1}"#).unwrap();
            facts.add_body(schema, &body).unwrap();
            assert_eq!(facts.unknown, ["Surprise"], "{id}");
        }
        let other = if list { r#"{"Name":"a"}"# } else { "[]" };
        assert!(facts.add_body(schema, &json::parse(other.as_bytes()).unwrap()).is_err(), "{id}");
    }
    let facts = read(Operation::PluginPull, r#"[{"Name":"network","Extra":1}]"#).unwrap();
    assert_eq!(facts.unknown, ["[0].Extra"]);
    assert!(read(Operation::PluginSet, "[1]").is_err());
}

fn request(body: &str) -> Request {
    let head = RequestHead {
        method: Method::Post,
        version: Version::Http11,
        target: "/services/create".to_owned(),
        framing: Framing::Length(2),
        upgrade: None,
        expect_continue: false,
        keep_alive: true,
        content_type: Some("application/json".to_owned()),
        forwarded: Vec::new(),
    };
    let target = crate::target::parse(&head.target).unwrap();
    let request = crate::operation::recognize(head, target, ApiVersion::new(1, 24)).unwrap();
    request.with_body(json::parse(body.as_bytes()).unwrap()).unwrap()
}

#[test]
fn a_network_is_judged_by_its_name_and_forwarded_by_its_id() {
    let request = request(
        r#"{"Networks":[{"Target":"nobody"}],"TaskTemplate":{"Networks":
            [{"Target":"abc"},{"Target":"shop"},{"Target":"h"},{"Target":"b"}]}}"#,
    );
    assert_eq!(request.attachments(), ["abc", "shop", "h", "b", "nobody"]);
    let known: BTreeMap<_, _> = [
        ("abc", "abcdef", "shop-net"),
        ("shop", "id-of-shop", "shop"),
        ("h", "id-of-host", "host"),
        ("b", "id-of-bridge", "bridge"),
    ]
    .map(|(target, id, name)| {
        (target.to_owned(), Attachment { id: id.to_owned(), name: name.to_owned() })
    })
    .into();
    let request = request.attached(&known);
    assert_eq!(
        request.attachments(),
        ["abcdef", "id-of-shop", "id-of-host", "id-of-bridge", "nobody"]
    );
    let asks = request.facts.asks.iter().filter(|fact| fact.field.ends_with("Target"));
    let asks: Vec<_> = asks.map(|fact| (fact.field.as_str(), fact.ask.notation())).collect();
    assert_eq!(
        asks,
        [
            ("Networks[0].Target", "escape.service-network".to_owned()),
            ("TaskTemplate.Networks[0].Target", "network shop-net".to_owned()),
            ("TaskTemplate.Networks[1].Target", "network shop".to_owned()),
            ("TaskTemplate.Networks[2].Target", "escape.host-network".to_owned()),
        ]
    );
}
