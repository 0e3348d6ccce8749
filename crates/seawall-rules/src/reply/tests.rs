use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::operation::Operation::{self, *};

fn redacting() -> Edit {
    Edit { redact: Some(Arc::default()), keep: None }
}

/// Keeps what has `mine` in its id.
fn keeping() -> Edit {
    Edit { redact: None, keep: Some(Arc::new(|object| object.id.contains("mine"))) }
}

fn edited(
    operation: Operation,
    edit: &Edit,
    reply: &[u8],
    chunk: usize,
) -> Result<Vec<u8>, Broken> {
    let mut editor = Editor::new(operation, edit).expect("there is something to edit");
    let mut out = Vec::new();
    for bytes in reply.chunks(chunk) {
        editor.push(bytes, &mut out)?;
    }
    editor.end(&mut out)?;
    Ok(out)
}

/// What comes of a reply, the same whatever the pieces it comes in.
fn check(operation: Operation, edit: &Edit, reply: &str) -> Result<String, Broken> {
    let whole = edited(operation, edit, reply.as_bytes(), usize::MAX);
    for chunk in [1, 2, 3, 7] {
        assert_eq!(edited(operation, edit, reply.as_bytes(), chunk), whole, "{reply}");
    }
    whole.map(|bytes| String::from_utf8(bytes).expect("it is text"))
}

fn redacted(operation: Operation, reply: &Value) -> Value {
    let shown = check(operation, &redacting(), &reply.to_string()).expect("it can be edited");
    serde_json::from_str(&shown).expect("it is JSON")
}

#[test]
fn secrets_of_a_container_are_hidden_and_all_else_is_copied() {
    let reply = json!({
        "Id": "4f", "Created": "2026-01-02T03:04:05Z", "Path": "sh", "Args": ["-c", "pw=1"],
        "State": {"Status": "running", "Health": {"Status": "healthy", "Log": [
            {"ExitCode": 0, "Output": "token 1"}]}},
        "LogPath": "/var/lib/docker/x", "Name": "/web", "RestartCount": 0, "Driver": "overlay2",
        "HostConfig": {
            "Binds": ["/srv/a:/a:ro", "data:/data"], "Memory": 67_108_864, "Privileged": false,
            "LogConfig": {"Type": "splunk", "Config": {"splunk-token": "1"}},
            "Mounts": [{"Type": "volume", "Source": "v", "VolumeOptions": {"DriverConfig":
                {"Name": "local", "Options": {"o": "password=1"}}, "Labels": {"a": "b"}}}],
        },
        "GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": "/var/lib/docker/o"}},
        "Mounts": [{"Type": "bind", "Source": "/srv/a", "Destination": "/a", "RW": false}],
        "Config": {
            "Hostname": "4f", "Env": ["PATH=/bin", "PASSWORD=a=b", "EMPTY"], "Tty": false,
            "Cmd": ["-c", "pw=1"], "Entrypoint": ["sh"], "Image": "busybox", "OnBuild": null,
            "Healthcheck": {"Test": ["CMD-SHELL", "curl -u a:b x"], "Interval": 1},
            "Labels": {"app": "shop", "db.Password": "1", "x.API_KEY": ""},
        },
        "NetworkSettings": {"Networks": {"bridge": {"DriverOpts": {"a": "b"}, "IPAddress": "1"}}},
    });
    let shown = redacted(ContainerInspect, &reply);
    let mut expected = reply;
    for (path, hidden) in [
        ("/Args", json!(["***", "***"])),
        ("/State/Health/Log/0/Output", json!("***")),
        ("/LogPath", json!("***")),
        ("/HostConfig/Binds", json!(["***:/a:ro", "data:/data"])),
        ("/HostConfig/LogConfig/Config/splunk-token", json!("***")),
        ("/HostConfig/Mounts/0/Source", json!("***")),
        ("/HostConfig/Mounts/0/VolumeOptions/DriverConfig/Options/o", json!("***")),
        ("/GraphDriver/Data/UpperDir", json!("***")),
        ("/Mounts/0/Source", json!("***")),
        ("/Config/Env", json!(["PATH=***", "PASSWORD=***", "EMPTY"])),
        ("/Config/Cmd", json!(["***", "***"])),
        ("/Config/Healthcheck/Test", json!(["CMD-SHELL", "***"])),
        ("/Config/Labels/db.Password", json!("***")),
        ("/NetworkSettings/Networks/bridge/DriverOpts/a", json!("***")),
    ] {
        *expected.pointer_mut(path).expect(path) = hidden;
    }
    assert_eq!(shown, expected);
}

#[test]
fn what_each_other_operation_hides_is_this() {
    let cases = [
        (
            ContainerList,
            json!([{"Id": "4f", "Command": "sh -c 'pw=1'", "Labels": {"token": "1", "a": "b"},
                "Mounts": [{"Source": "/srv"}]}, {"Command": "sleep"}]),
            json!([{"Id": "4f", "Command": "sh ***", "Labels": {"token": "***", "a": "b"},
                "Mounts": [{"Source": "***"}]}, {"Command": "sleep"}]),
        ),
        (
            ContainerTop,
            json!({"Titles": ["PID", "CMD"], "Processes": [["1", "sh -c pw"]]}),
            json!({"Titles": ["PID", "CMD"], "Processes": [["***", "***"]]}),
        ),
        (
            ExecInspect,
            json!({"ProcessConfig": {"entrypoint": "sh", "arguments": ["-c", "pw"]}, "Pid": 7}),
            json!({"ProcessConfig": {"entrypoint": "sh", "arguments": ["***", "***"]}, "Pid": 7}),
        ),
        (
            ImageHistory,
            json!([{"Id": "sha256:1", "CreatedBy": "ENV PASSWORD=1", "Size": 7}]),
            json!([{"Id": "sha256:1", "CreatedBy": "***", "Size": 7}]),
        ),
        (
            ImageInspect,
            json!({"Config": {"Env": ["A=1"], "Cmd": null}, "ContainerConfig": {"Env": ["A=1"]}}),
            json!({"Config": {"Env": ["A=***"], "Cmd": null}, "ContainerConfig": {"Env": ["A=***"]}}),
        ),
        (
            NetworkList,
            json!([{"Id": "n", "Options": {"o": "1"}, "IPAM": {"Driver": "x", "Options": {"k": "1"},
                "Config": [{"Subnet": "10.0.0.0/8"}]}}]),
            json!([{"Id": "n", "Options": {"o": "***"}, "IPAM": {"Driver": "x",
                "Options": {"k": "***"}, "Config": [{"Subnet": "10.0.0.0/8"}]}}]),
        ),
        (
            VolumeList,
            json!({"Volumes": [{"Name": "v", "Mountpoint": "/var/lib/docker/v", "Options":
                {"o": "username=a,password=b"}}], "Warnings": ["w"]}),
            json!({"Volumes": [{"Name": "v", "Mountpoint": "***", "Options": {"o": "***"}}],
                "Warnings": ["w"]}),
        ),
        (
            VolumeList,
            json!({"Volumes": null, "Warnings": null}),
            json!({"Volumes": null, "Warnings": null}),
        ),
        (
            SystemDataUsage,
            json!({"LayersSize": 7, "Containers": [{"Command": "sh -c pw"}], "Volumes": [],
                "BuildCache": [{"ID": "b", "Description": "RUN pw", "Size": 1}], "New": [1]}),
            json!({"LayersSize": 7, "Containers": [{"Command": "sh ***"}], "Volumes": [],
                "BuildCache": [{"ID": "b", "Description": "***", "Size": 1}], "New": null}),
        ),
        (
            SystemDataUsage,
            json!({"ContainerUsage": {"TotalCount": 1, "Items": [{"Command": "sh -c pw"}]}}),
            json!({"ContainerUsage": {"TotalCount": 1, "Items": [{"Command": "sh ***"}]}}),
        ),
        (
            SystemInfo,
            json!({"HttpProxy": "http://a:b@c@proxy:80/", "HttpsProxy": "http://proxy", "Labels":
                ["token=1", "zone=b"], "RegistryConfig": {"Mirrors": ["https://a:b@m/"]}}),
            json!({"HttpProxy": "http://***@proxy:80/", "HttpsProxy": "http://proxy", "Labels":
                ["token=***", "zone=b"], "RegistryConfig": {"Mirrors": ["https://***@m/"]}}),
        ),
        (
            SwarmInspect,
            json!({"ID": "s", "JoinTokens": {"Worker": "SWMTKN-1"}, "Spec": {"CAConfig":
                {"NodeCertExpiry": 7, "ExternalCAs": [{"URL": "https://a"}]}}}),
            json!({"ID": "s", "JoinTokens": {"Worker": "***"}, "Spec": {"CAConfig":
                {"NodeCertExpiry": 7, "ExternalCAs": [{"URL": "***"}]}}}),
        ),
        (
            ServiceInspect,
            json!({"Spec": {"Name": "s", "TaskTemplate": {"ContainerSpec": {"Env": ["A=1"],
                "Args": ["pw"], "Command": ["sh", "pw"]}}}}),
            json!({"Spec": {"Name": "s", "TaskTemplate": {"ContainerSpec": {"Env": ["A=***"],
                "Args": ["***"], "Command": ["sh", "***"]}}}}),
        ),
        (ConfigInspect, json!({"Spec": {"Data": "cHc="}}), json!({"Spec": {"Data": "***"}})),
        (
            PluginInspect,
            json!({"Settings": {"Env": ["A=1"], "Args": ["pw"]}, "Config": {"Env": [{"Name": "A",
                "Value": "1"}]}}),
            json!({"Settings": {"Env": ["A=***"], "Args": ["***"]}, "Config": {"Env": [{"Name":
                "A", "Value": "***"}]}}),
        ),
    ];
    for (operation, reply, expected) in cases {
        assert_eq!(redacted(operation, &reply), expected, "{operation:?}");
    }
}

#[test]
fn events_are_edited_one_by_one_and_keep_their_framing() {
    let start = r#"{"status":"start","Type":"container","Action":"start","Actor":{"ID":"mine"}}"#;
    let exec = r#"{"Action":"exec_create: sh -c pw","Actor":{"ID":"other","Attributes":{"secret":"1","name":"web"}}}"#;
    let hidden = r#"{"Action":"exec_create: ***","Actor":{"ID":"other","Attributes":{"secret":"***","name":"web"}}}"#;
    let lines = format!("{start}\n{exec}\n");
    assert_eq!(check(SystemEvents, &redacting(), &lines), Ok(format!("{start}\n{hidden}\n")));
    assert_eq!(check(SystemEvents, &keeping(), &lines), Ok(format!("{start}\n")));
    let marked = format!("\u{1e}{exec}\n\u{1e}{start}\n");
    assert_eq!(check(SystemEvents, &keeping(), &marked), Ok(format!("\u{1e}{start}\n")));
    // Each goes on at once, the engine's line feed or not.
    let mut out = Vec::new();
    let mut editor = Editor::new(SystemEvents, &redacting()).unwrap();
    editor.push(start.as_bytes(), &mut out).unwrap();
    assert_eq!(out, format!("{start}\n").into_bytes());
}

#[test]
fn what_does_not_stay_leaves_no_trace_in_a_list() {
    let list = r#"[{"Id":"a"},{"Id":"mine1","N":1.50},{"Id":"b"},{"Id":"mine2"},{"No":"mine"}]"#;
    let kept = r#"[{"Id":"mine1","N":1.50},{"Id":"mine2"}]"#;
    assert_eq!(check(ContainerList, &keeping(), list).as_deref(), Ok(kept));
    assert_eq!(check(ContainerList, &keeping(), r#"[{"Id":"a"}]"#).as_deref(), Ok("[]"));
    let usage = r#"{"Images":[{"Id":"a"}],"Volumes":[{"Name":"mine"}],"LayersSize":1}"#;
    let kept = r#"{"Images":[],"Volumes":[{"Name":"mine"}],"LayersSize":0}"#;
    assert_eq!(check(SystemDataUsage, &keeping(), usage).as_deref(), Ok(kept));
    let network = r#"{"Id":"n","Containers":{"mine":{"Name":"web"},"other":{"Name":"db"}}}"#;
    let kept = r#"{"Id":"n","Containers":{"mine":{"Name":"web"}}}"#;
    assert_eq!(check(NetworkInspect, &keeping(), network).as_deref(), Ok(kept));
}

#[test]
fn numbers_order_escapes_and_unknown_members_pass_as_they_are() {
    let reply = r#"{"Z":1.50,"A":123456789012345678901234567890,"Name":"\u003cx\u003e","Z":2}"#;
    assert_eq!(check(ContainerInspect, &redacting(), reply).as_deref(), Ok(reply));
    let spelled = r#"{"config":{"\u0045nv":["A=1"]}}"#;
    let hidden = r#"{"config":{"\u0045nv":["A=***"]}}"#;
    assert_eq!(check(ContainerInspect, &redacting(), spelled).as_deref(), Ok(hidden));
}

#[test]
fn a_value_of_another_type_than_expected_is_hidden_whole() {
    let reply = json!({"Config": {"Env": {"A": "1"}, "Cmd": "sh", "Labels": "token"},
        "Mounts": "/srv", "Args": [{"a": ["b"]}]});
    let expected = json!({"Config": {"Env": {"A": "***"}, "Cmd": "***", "Labels": "***"},
        "Mounts": "***", "Args": [{"a": ["***"]}]});
    assert_eq!(redacted(ContainerInspect, &reply), expected);
}

#[test]
fn what_is_not_the_json_it_has_to_be_is_cut() {
    let edit = redacting();
    for (reply, expected) in [
        ("", Ok("")),
        ("null", Ok("null")),
        ("[]", Ok("[]")),
        (" [ ] \n", Ok("[]")),
        ("[", Err(Broken::CutShort)),
        ("[{\"Id\":\"a\"}", Err(Broken::CutShort)),
        ("[{\"Id\":", Err(Broken::CutShort)),
        ("[]]", Err(Broken::Malformed)),
        ("[][]", Err(Broken::Malformed)),
        ("[,]", Err(Broken::Malformed)),
        ("[{},]", Err(Broken::Malformed)),
        ("[{} {}]", Err(Broken::Malformed)),
        ("[{]}", Err(Broken::Malformed)),
        ("[{\"a\" 1}]", Err(Broken::Malformed)),
        ("[01]", Err(Broken::Malformed)),
        ("nul", Err(Broken::Malformed)),
        ("{}", Err(Broken::OtherShape)),
        ("\u{1f}\u{8b}", Err(Broken::OtherShape)),
    ] {
        assert_eq!(check(ContainerList, &edit, reply).as_deref(), expected.as_deref(), "{reply:?}");
    }
    let one = |reply| check(ContainerInspect, &edit, reply);
    assert_eq!(one("{}{}"), Err(Broken::Malformed));
    assert_eq!(one("{\"Na\0me\":1}"), Err(Broken::Malformed));
    assert_eq!(one("12").as_deref(), Ok("12"));
}

#[test]
fn labels_of_further_names_can_be_hidden() {
    let redact = Redact::with(["License".to_owned()]);
    let edit = Edit { redact: Some(Arc::new(redact)), keep: None };
    let reply = r#"[{"Labels":{"a.LICENSE-key":"1","token":"2","app":"3"}}]"#;
    let hidden = r#"[{"Labels":{"a.LICENSE-key":"***","token":"***","app":"3"}}]"#;
    assert_eq!(check(ImageList, &edit, reply).as_deref(), Ok(hidden));
}

#[test]
fn of_a_list_of_any_length_one_element_is_held() {
    let element = format!(r#"{{"Id":"4f","Command":"sh -c pw","Names":["{}"]}},"#, "n".repeat(900));
    let piece = element.repeat(64);
    let mut editor = Editor::new(ContainerList, &redacting()).unwrap();
    let mut out = Vec::new();
    editor.push(b"[", &mut out).unwrap();
    for _ in 0..200 {
        for half in piece.as_bytes().chunks(piece.len() - 100) {
            out.clear();
            editor.push(half, &mut out).unwrap();
            assert!(out.len() <= half.len() + element.len(), "it goes on as it comes");
        }
    }
    assert!(editor.holds() <= 2 * element.len(), "{}", editor.holds());
}

#[test]
fn one_element_is_bounded() {
    let text = "a".repeat(MAX_ELEMENT - 2);
    let most = format!("[\"{text}\"]");
    let edit = redacting();
    let shown = edited(ContainerList, &edit, most.as_bytes(), 65_536);
    assert_eq!(shown, Ok(b"[\"***\"]".to_vec()));
    let over = format!("[\"{text}a\"]");
    assert_eq!(edited(ContainerList, &edit, over.as_bytes(), 65_536), Err(Broken::TooLarge));
}

#[test]
fn an_edit_that_changes_nothing_needs_no_editor() {
    for &operation in Operation::ALL {
        assert!(Editor::new(operation, &Edit::default()).is_none(), "{operation:?}");
    }
    assert!(Editor::new(ContainerLogs, &redacting()).is_none());
    assert!(Editor::new(ContainerInspect, &keeping()).is_none());
    assert!(Editor::new(VolumeInspect, &redacting()).is_some());
    assert!(Editor::new(NetworkInspect, &keeping()).is_some());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z=:/@ \"\\\\{}\\[\\],\u{1f600}-]{0,8}".prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "Id", "Command", "Labels", "Mounts", "Source", "token", "Config", "Env", "a\"b",
    ]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..4).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        items in prop::collection::vec(value(), 0..4),
        pretty in any::<bool>(),
        chunk in 1_usize..32,
    ) {
        let list = Value::from(items);
        let reply = if pretty { format!("{list:#}") } else { list.to_string() };
        for edit in [redacting(), keeping()] {
            let whole = edited(ContainerList, &edit, reply.as_bytes(), usize::MAX)?;
            let pieces = edited(ContainerList, &edit, reply.as_bytes(), chunk)?;
            prop_assert_eq!(&whole, &pieces);
            prop_assert!(serde_json::from_slice::<Value>(&whole).is_ok());
        }
    }

    /// Whatever comes: no panic, and the same end in any pieces.
    #[test]
    fn noise_makes_no_difference(noise in "[\\[\\]{}:,\"\\\\0-9a-fnIdu \n\u{1e}.+-]{0,24}", chunk in 1_usize..5) {
        for operation in [ContainerList, SystemEvents, VolumeList, ContainerInspect] {
            let whole = edited(operation, &redacting(), noise.as_bytes(), usize::MAX);
            let pieces = edited(operation, &redacting(), noise.as_bytes(), chunk);
            prop_assert_eq!(whole, pieces);
        }
    }

    /// The editor takes what the JSON reader takes, and nothing else.
    #[test]
    fn what_passes_is_json(noise in "[\\[\\]{}:,\"a0-9n \n.+-]{0,12}") {
        let json = serde_json::from_str::<Value>(&noise);
        match edited(ContainerInspect, &redacting(), noise.as_bytes(), usize::MAX) {
            Ok(shown) if !noise.trim().is_empty() => {
                prop_assert!(json.is_ok());
                prop_assert!(serde_json::from_slice::<Value>(&shown).is_ok());
            }
            Ok(_) => {}
            Err(_) => prop_assert!(json.is_err()),
        }
    }
}
