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

/// The parts of the SARIF 2.1.0 schema that bear on what is written (the whole of it is applied
/// by hand when the writer changes).
#[test]
fn sarif_has_what_its_schema_asks_for() {
    let tree = open();
    let done = tree.scan(&["--format", "sarif"]);
    let log: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let [run] = log["runs"].as_array().unwrap().as_slice() else { panic!("{log:#}") };
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "seawall");
    let rules = driver["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["helpUri"].as_str().unwrap().starts_with("https://"));
        let level = result["level"].as_str().unwrap();
        assert!(["none", "note", "warning", "error"].contains(&level), "{level}");
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let location = &result["locations"][0]["physicalLocation"];
        let uri = location["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.contains(' ') && !uri.starts_with('/'), "{uri}");
        if let Some(region) = location.get("region") {
            assert!(region["startLine"].as_u64().unwrap() >= 1);
        }
        assert!(result["partialFingerprints"]["seawall/v1"].is_string());
    }
    for notification in run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap() {
        assert!(notification["message"]["text"].is_string());
    }
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
