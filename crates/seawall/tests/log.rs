//! `seawall log` as the operator sees it: the shipped binary on a trail the gate wrote.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use seawall::audit::{Decision, Ending, Outcome, RefusedConnection, RequestId, Subject, Trail};
use seawall::config::{Audit, OnFailure, Sync};

fn open(state: &Path) -> Trail {
    let config = Audit {
        dir: state.join("audit"),
        on_failure: OnFailure::Deny,
        sync: Sync::Batched,
        segment_bytes: 20_000,
        keep_bytes: 1024 * 1024 * 1024,
        anchor: Vec::new(),
    };
    Trail::open(&config, state).unwrap()
}

fn id(number: u32) -> RequestId {
    RequestId { session: 0x7f3a_91c2_d405, number }
}

fn request(trail: &Trail, name: &str, number: u32, refused: Option<&str>) {
    let subject = Subject {
        id: None,
        name: name.to_owned(),
        roles: "viewer".to_owned(),
        credential: "cert:01".to_owned(),
    };
    let decision = Decision {
        id: id(number),
        subject: &subject,
        peer: ([192, 0, 2, 7], 50_000).into(),
        balancer: None,
        method: "GET",
        target: "/v1.41/containers/json",
        operation: Some("ContainerList"),
        user_agent: "\u{1b}[31mred",
        refused,
        rule: "viewer.read",
        would_deny: &[],
        unknown: &[],
        asks: Some(&[]),
        generation: 1,
    };
    trail.decision(&decision).unwrap();
}

fn end(trail: &Trail, number: u32) {
    let outcome = Outcome {
        id: id(number),
        status: 200,
        ending: Ending::Complete,
        received: 0,
        sent: 10,
        took: Duration::from_micros(1500),
    };
    trail.outcome(&outcome);
}

/// 200 requests of alice, every tenth denied, and one of bob that runs.
fn trail(state: &Path) -> Trail {
    let trail = open(state);
    for number in 1..=200 {
        request(&trail, "alice", number, (number % 10 == 0).then_some("not granted"));
        end(&trail, number);
    }
    request(&trail, "bob", 201, None);
    trail.event("reload", serde_json::json!({ "generation": 2 })).unwrap();
    trail
}

fn command(state: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
    command.arg("log").args(args).arg("--state").arg(state);
    command.arg("--config").arg(state.join("none.toml"));
    command
}

fn log(state: &Path, args: &[&str]) -> Output {
    command(state, args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn tail_shows_the_newest_requests_and_events_one_a_line() {
    let state = tempfile::tempdir().unwrap();
    let _trail = trail(state.path());
    let shown = stdout(&log(state.path(), &["tail", "-n", "3"]));
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(lines[0].contains("alice") && lines[0].contains("deny  viewer.read"), "{shown}");
    assert!(lines[0].ends_with("7f3a91c2d405-200  (not granted)"), "{shown}");
    assert!(lines[1].contains("bob") && lines[1].contains("  running  "), "{shown}");
    assert!(lines[2].ends_with(r#"  reload  {"generation":2}"#), "{shown}");
    assert!(!shown.contains('\u{1b}'), "no colors and no one else's escapes");

    let denied = stdout(&log(state.path(), &["tail", "-n", "15", "--denied"]));
    assert_eq!(denied.lines().filter(|line| line.contains("deny")).count(), 15, "{denied}");
    let all = stdout(&log(state.path(), &["tail", "--since", "1h", "--identity", "alice"]));
    assert_eq!(all.lines().count(), 200);
    assert_eq!(stdout(&log(state.path(), &["tail"])).lines().count(), 20);
    let none = log(state.path(), &["tail", "--identity", "carol"]);
    assert_eq!((none.status.code(), stdout(&none).as_str()), (Some(0), ""));
}

#[test]
fn tail_follows_a_running_gate_over_the_end_of_a_segment() {
    let state = tempfile::tempdir().unwrap();
    let trail = trail(state.path());
    let mut child = command(state.path(), &["tail", "-f", "-n", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // It is at the end now.
    assert!(lines.next().unwrap().unwrap().contains("\"what\":\"reload\""));
    let mut expected = Vec::new();
    for number in 300..400 {
        request(&trail, "alice", number, None);
        end(&trail, number);
        expected.extend(
            ["decision", "outcome"].map(|kind| format!("{kind}\",\"id\":\"{}\"", id(number))),
        );
    }
    let mut seen = lines.map(Result::unwrap).filter(|line| line.contains("\"id\""));
    for part in expected {
        let line = seen.next().unwrap();
        assert!(line.contains(&part), "{line} is not {part}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn show_tells_everything_of_one_request_by_id_or_its_beginning() {
    let state = tempfile::tempdir().unwrap();
    let trail = trail(state.path());
    trail.close();
    let shown = stdout(&log(state.path(), &["show", "7f3a91c2d405-10"]));
    for part in [
        "target       /v1.41/containers/json",
        "reason       not granted",
        "peer         192.0.2.7:50000",
        "user agent   \\u{1b}[31mred",
        "took         1.5ms",
        "ending       complete",
        "stands at    0000000",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    let running = stdout(&log(state.path(), &["show", "7f3a91c2d405-201"]));
    assert!(running.contains("ended        not yet"), "{running}");
    let json = stdout(&log(state.path(), &["show", "7f3a91c2d405-10", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["decision"]["allowed"], &json["outcome"]["status"]),
        (&false.into(), &200.into())
    );

    let several = log(state.path(), &["show", "7f3a91c2d405-2"]);
    assert!(several.status.success(), "an exact id is no prefix");
    let several = log(state.path(), &["show", "7f3a"]);
    assert_eq!(several.status.code(), Some(1));
    assert!(stderr(&several).contains("several requests have an id that begins with `7f3a`"));
    let none = log(state.path(), &["show", "ffff"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).starts_with("error: no request `ffff` in this trail\nhint: "));
}

#[test]
fn verify_exits_3_where_something_is_wrong_and_says_where() {
    let state = tempfile::tempdir().unwrap();
    trail(state.path()).close();
    let good = log(state.path(), &["verify"]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    assert!(stdout(&good).contains("are whole and in order\n"), "{}", stdout(&good));

    let head = stdout(&log(state.path(), &["head"]));
    let checked = log(state.path(), &["verify", "--head", head.trim()]);
    assert!(stdout(&checked).contains("nothing up to the head, record "), "{}", stdout(&checked));
    let json = stdout(&log(state.path(), &["verify", "--json", "--head", head.trim()]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["whole"], &json["head"]), (&true.into(), &"found".into()));

    let path = state.path().join("audit/00000002.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("alice", "malor", 1)).unwrap();
    let bad = log(state.path(), &["verify"]);
    assert_eq!(bad.status.code(), Some(3));
    assert!(stdout(&bad).starts_with("00000002.jsonl:"), "{}", stdout(&bad));
    assert!(stderr(&bad).starts_with("error: one thing is wrong with the audit trail in "));

    std::fs::remove_file(&path).unwrap();
    for number in 3..20 {
        let _ = std::fs::remove_file(state.path().join(format!("audit/{number:08}.jsonl")));
    }
    assert_eq!(log(state.path(), &["verify"]).status.code(), Some(0), "nobody can know");
    let cut = log(state.path(), &["verify", "--head", head.trim()]);
    assert_eq!(cut.status.code(), Some(3));
    assert!(stdout(&cut).contains("the end is cut off"), "{}", stdout(&cut));
    assert_eq!(log(state.path(), &["verify", "--head", "7:x"]).status.code(), Some(2));
}

#[test]
fn export_writes_the_records_as_they_stand_or_a_table() {
    let state = tempfile::tempdir().unwrap();
    let trail = trail(state.path());
    trail.refused_connection([203, 0, 113, 9].into(), RefusedConnection::Address);
    trail.close();
    let mut whole = Vec::new();
    for number in 1..100 {
        let segment = state.path().join(format!("audit/{number:08}.jsonl"));
        whole.extend(std::fs::read(segment).unwrap_or_default());
    }
    assert!(log(state.path(), &["export"]).stdout == whole);
    let until = log(state.path(), &["export", "--until", "2020-01-01"]);
    assert!(until.stdout.is_empty());
    let table = stdout(&log(state.path(), &["export", "--format", "csv"]));
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 202, "a head and 201 requests");
    assert!(rows[0].starts_with("time,id,identity,"));
    assert!(
        rows[10].contains(",false,viewer.read,not granted,\\u{1b}[31mred,200,complete,0,10,1500")
    );
    assert!(rows[201].ends_with("bob,viewer,cert:01,192.0.2.7:50000,GET,/v1.41/containers/json,ContainerList,true,viewer.read,,\\u{1b}[31mred,,,,,"));
}

#[test]
fn a_folder_without_a_trail_is_said_so() {
    let state = tempfile::tempdir().unwrap();
    std::fs::create_dir(state.path().join("audit")).unwrap();
    for args in [&["tail"][..], &["verify"], &["head"], &["export"], &["show", "1"]] {
        let output = log(state.path(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).starts_with("error: there is no audit trail in "), "{args:?}");
    }
}
