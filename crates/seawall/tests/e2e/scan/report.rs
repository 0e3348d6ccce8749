//! What a report says, and how a scan ends.

use super::{Tree, findings};

fn open() -> Tree {
    let tree = Tree::host();
    tree.file("etc/docker/daemon.json", "{\n  \"hosts\": [\"tcp://0.0.0.0:2375\"]\n}\n");
    tree
}

#[test]
fn the_exit_code_says_what_was_found() {
    let tree = open();
    assert_eq!(tree.scan(&[]).fails().0, Some(3));
    let (code, said) = Tree::host().scan(&[]).fails();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("there is nothing to scan"), "{said}");
    tree.file("etc/docker/daemon.json", "{}");
    tree.scan(&[]).ok();
    assert_eq!(tree.scan(&["--fail-on", "low"]).fails().0, Some(3));
    assert_eq!(tree.scan(&["--fail-on", "terrible"]).fails().0, Some(2));
    assert_eq!(tree.scan(&["--waivers", "/nowhere"]).fails().0, Some(1));
}

#[test]
fn a_baseline_shows_only_what_is_new_and_what_is_gone() {
    let tree = open();
    let known = tree.path("known.json");
    std::fs::write(&known, tree.scan(&["--format", "json"]).stdout).unwrap();
    let known = known.to_str().unwrap();
    let said = tree.scan(&["--baseline", known]).ok();
    assert!(said.contains("known     NET-001 tcp://0.0.0.0:2375"), "{said}");
    assert!(said.contains("new: nothing found"), "{said}");
    tree.file("etc/docker/daemon.json", "{\"hosts\": [\"tcp://10.0.0.1:2375\"]}");
    let done = tree.scan(&["--baseline", known]);
    assert_eq!(done.status.code(), Some(3));
    assert!(done.stdout.contains("gone      NET-001 tcp://0.0.0.0:2375"), "{done}");
    assert!(done.stdout.contains("new: 1 critical"), "{done}");
    assert_eq!(tree.scan(&["--baseline", "/dev/null"]).fails().0, Some(2));
}

#[test]
fn a_waiver_takes_in_a_finding_until_its_day() {
    let tree = open();
    let waivers = |until: &str, more: &str| {
        let text = format!(
            "[[waiver]]\ncheck = \"NET-001\"\nsubject = \"tcp://*\"\nreason = \"a lab\"\n\
             until = {until}\n{more}\n"
        );
        let file = tree.path("waivers.toml");
        std::fs::write(&file, text).unwrap();
        tree.scan(&["--waivers", file.to_str().unwrap(), "--format", "json"])
    };
    let done = waivers("2999-12-31", "unsafe_accept_critical = true");
    let report: serde_json::Value = serde_json::from_str(&done.ok()).unwrap();
    assert_eq!(findings(&report, "NET-001")[0]["waived"]["reason"], "a lab");
    let mild = waivers("2999-12-31", "");
    assert_eq!(mild.status.code(), Some(3));
    assert!(mild.stdout.contains("unsafe_accept_critical"), "{mild}");
    let ended = waivers("2020-01-31", "unsafe_accept_critical = true");
    assert_eq!(ended.status.code(), Some(3));
    assert!(ended.stdout.contains("ended on 2020-01-31"), "{ended}");
}

/// By what the standard asks of the objects that are written; the whole of its schema is applied by
/// hand when the writer changes.
#[test]
fn sarif_is_what_its_schema_asks_for() {
    let tree = open();
    tree.file("etc/docker/daemon.json", "{\"hosts\": [\"tcp://0.0.0.0:2375\"], \"debug\": true}");
    tree.file("srv/a b/compose.yaml", "services:\n  a:\n    privileged: true\n");
    // Groups that only the network knows.
    tree.file("etc/nsswitch.conf", "group: files sss\n");
    let known = tree.path("known.json");
    std::fs::write(&known, tree.scan(&["--format", "json"]).stdout).unwrap();
    tree.file("etc/docker/daemon.json", "{\"hosts\": [\"tcp://10.0.0.1:2375\"], \"debug\": true}");
    let waivers = tree.path("waivers.toml");
    let waiver = "[[waiver]]\ncheck = \"CFG-015\"\nsubject = \"*\"\nreason = \"a lab\"\n\
                  until = 2999-12-31\n";
    std::fs::write(&waivers, waiver).unwrap();
    let (known, waivers) = (known.to_str().unwrap(), waivers.to_str().unwrap());
    let sarif = |more: &[&str]| tree.scan(&[&["--format", "sarif"], more].concat()).stdout;
    let all = sarif(&["--baseline", known, "--waivers", waivers]);
    for written in [sarif(&[]), all.clone()] {
        let complaints = complaints(&tree, &written);
        assert!(complaints.is_empty(), "{complaints}\n{written}");
    }
    // Every kind of object is among them.
    let log: serde_json::Value = serde_json::from_str(&all).unwrap();
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    let notifications = &run["invocations"][0]["toolExecutionNotifications"];
    assert!(!notifications.as_array().unwrap().is_empty(), "{all}");
    assert!(results.iter().any(|it| it["suppressions"][0]["justification"] == "a lab"), "{all}");
    for state in ["new", "unchanged"] {
        assert!(results.iter().any(|it| it["baselineState"] == state), "no {state} in {all}");
    }
    for result in results {
        let at = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][at]["id"], result["ruleId"]);
    }
    // The schema is closed.
    for (right, wrong) in [
        ("\"ruleId\"", "\"ruleID\""),
        ("\"level\": \"error\"", "\"level\": \"high\""),
        ("\"kind\": \"external\"", "\"kind\": \"elsewhere\""),
    ] {
        assert!(all.contains(right), "{right} is not in {all}");
        assert!(!complaints(&tree, &all.replace(right, wrong)).is_empty(), "{wrong}");
    }
}

/// What a validator has to say about a SARIF log, a line each.
#[track_caller]
fn complaints(tree: &Tree, log: &str) -> String {
    let (schema, file) = (tree.path("sarif.schema.json"), tree.path("log.sarif"));
    std::fs::write(&schema, include_str!("sarif.schema.json")).unwrap();
    std::fs::write(&file, log).unwrap();
    let script = "import json, jsonschema, sys\n\
                  schema, log = (json.load(open(file)) for file in sys.argv[1:])\n\
                  for error in jsonschema.Draft7Validator(schema).iter_errors(log):\n    \
                  print(list(error.absolute_path), error.message[:200])\n";
    // Debian's own, which has Debian's package of the validator.
    let mut python = std::process::Command::new("/usr/bin/python3");
    python.args(["-c", script]).args([schema, file]);
    crate::support::process::Running::start(python).wait().ok()
}

#[test]
fn xml_and_html_are_well_formed_whatever_is_in_the_files() {
    let tree = open();
    let nasty = "<b>&\"'\u{1}]]>";
    tree.file(
        "etc/docker/daemon.json",
        &format!("{{\"insecure-registries\": [{}]}}", serde_json::json!(nasty)),
    );
    for format in ["junit", "html"] {
        let text = tree.scan(&["--format", format]).stdout;
        assert!(!text.contains("<b>&\"") && !text.contains('\u{1}'), "{text}");
        assert!(text.contains("&lt;b&gt;&amp;&quot;&#39;"), "{text}");
    }
    let xml = tree.path("report.xml");
    std::fs::write(&xml, tree.scan(&["--format", "junit"]).stdout).unwrap();
    let mut python = std::process::Command::new("python3");
    python.args(["-c", "import sys, xml.dom.minidom as dom; dom.parse(sys.argv[1])"]).arg(&xml);
    crate::support::process::Running::start(python).wait().ok();
    let text = tree.scan(&[]).stdout;
    assert!(!text.contains('\u{1}'), "{text:?}");
}
