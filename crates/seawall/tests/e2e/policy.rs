//! Roles of the configuration as the docker command line meets them, and what `seawall policy`
//! says of them before they are in force.

use std::fs;

use serde_json::Value;

use crate::support::client::{Side, fresh};
use crate::support::engine::Engine;
use crate::support::gate::Gate;

const SHOP: &str = r#"
[roles.shop]
extends = ["operator"]
operations = ["ContainerCreate", "ContainerDelete", "ContainerInspect"]
images = ["busybox"]
binds = ["/srv/shop/*:ro"]
"#;

#[test]
fn a_role_of_the_configuration_is_met_by_the_docker_command_line() {
    let gate = Gate::up_with(&Engine::shared().socket(), SHOP);
    let shop = gate.docker_as("sue", "shop");
    let name = fresh("shop");
    let id = shop.run(["create", "--name", &name, "busybox", "true"]).ok();
    shop.run(["start", &name]).ok();
    assert_eq!(shop.run(["wait", &name]).ok(), "0");
    shop.run(["rm", &name]).ok();
    assert_eq!(id.len(), 64);
    for (args, rule) in [
        (&["create", "-v", "/srv/shop/a:/a", "busybox"][..], "escape.bind"),
        (&["create", "-v", "/:/host:ro", "busybox"], "escape.bind"),
        (&["create", "--privileged", "busybox"], "escape.privileged"),
        (&["create", "alpine"], "role.images"),
        (&["create", "-p", "80:80", "busybox"], "role.ports"),
        (&["network", "create", "n"], "role.operations"),
    ] {
        let (_, said) = shop.run(args).fails();
        assert!(said.contains(&format!("[rule {rule}, ")), "{args:?}: {said}");
    }
}

#[test]
fn a_reload_puts_changed_roles_in_force_and_a_bad_one_changes_nothing() {
    let gate = Gate::up_with(&Engine::shared().socket(), SHOP);
    let shop = gate.docker_as("sue", "shop");
    let generation = || {
        let status: Value = serde_json::from_str(&gate.run(["status", "--json"]).ok()).unwrap();
        status["generation"].as_u64().unwrap()
    };
    let tag = fresh("shop/tagged");
    let tagging = ["tag", "busybox", &tag];
    assert!(shop.run(tagging).fails().1.contains("[rule role.operations, "));
    let before = generation();
    let text = fs::read_to_string(gate.config()).unwrap();
    let bad = text.replace("/srv/shop/*:ro", "/etc:ro");
    fs::write(gate.config(), bad).unwrap();
    let (code, said) = gate.run(["reload"]).fails();
    assert!(said.contains("would give the host away"), "{code:?}: {said}");
    assert_eq!(generation(), before);
    let more = text.replace("\"ContainerDelete\"", "\"ContainerDelete\", \"ImageTag\"");
    fs::write(gate.config(), more + "tags = [\"shop/*\"]\n").unwrap();
    gate.run(["reload"]).ok();
    assert!(generation() > before);
    shop.run(tagging).ok();
    let records = gate.records();
    let tagged = records.iter().rfind(|record| record["operation"] == "ImageTag").unwrap();
    assert_eq!(tagged["rule"], "shop.operations");
    assert_eq!(tagged["generation"], generation());
    let metric = format!("seawall_policy_generation {}\n", generation());
    assert!(gate.metrics().contains(&metric), "{}", gate.metrics());
    fs::write(gate.config(), text).unwrap();
    gate.run(["reload"]).ok();
    assert!(shop.run(tagging).fails().1.contains("[rule role.operations, "));
    Side::Engine.docker().run(["rmi", &tag]).ok();
}

#[test]
fn who_can_become_root_names_only_admins() {
    let gate = Gate::up_with(&Engine::shared().socket(), SHOP);
    for (name, role) in [
        ("ada", "admin"),
        ("dora", "developer"),
        ("otto", "operator"),
        ("rita", "read-only"),
        ("sue", "shop"),
        ("vera", "viewer"),
    ] {
        gate.credentials(name, role);
    }
    let able = |args: &[&str]| -> Vec<String> {
        let command = [&["policy", "who-can", "--json"][..], args].concat();
        let answer: Value = serde_json::from_str(&gate.run(command).ok()).unwrap();
        let identities = answer["identities"].as_array().unwrap();
        identities.iter().map(|able| able["identity"].as_str().unwrap().to_owned()).collect()
    };
    // `up` made an admin of its own.
    let admins = able(&["become-root"]);
    let identities: Value =
        serde_json::from_str(&gate.run(["identity", "list", "--json"]).ok()).unwrap();
    let expected: Vec<_> = identities
        .as_array()
        .unwrap()
        .iter()
        .filter(|identity| identity["roles"] == serde_json::json!(["admin"]))
        .map(|identity| identity["name"].as_str().unwrap())
        .collect();
    assert!(expected.len() == 2 && expected.contains(&"ada"), "{expected:?}");
    assert_eq!(admins, expected);
    assert_eq!(able(&["bind", "/etc"]), admins);
    assert!(able(&["bind", "/srv/shop/a"]).contains(&"sue".to_owned()));
    assert!(!able(&["bind", "/srv/shop/a:rw"]).contains(&"sue".to_owned()));
    assert!(able(&["use-image", "busybox"]).contains(&"dora".to_owned()));
    gate.run(["revoke", "ada", "--force"]).ok();
    assert!(!able(&["become-root"]).contains(&"ada".to_owned()));
    let (code, said) = gate.run(["policy", "who-can", "exex"]).fails();
    assert_eq!(code, Some(2));
    assert!(said.contains("hint: did you mean `exec`?"), "{said}");
}

#[test]
fn a_candidate_is_compared_role_by_role_and_identity_by_identity() {
    let gate = Gate::up_with(&Engine::shared().socket(), SHOP);
    gate.credentials("sue", "shop");
    let diff = |file: &str| gate.run(["policy", "diff", file, "--json"]);
    let same = gate.home().join("same.toml");
    fs::copy(gate.config(), &same).unwrap();
    assert_eq!(diff(same.to_str().unwrap()).ok().matches("[]").count(), 2);
    // A file of roles alone comes beside the configuration.
    let roles = gate.home().join("ci.toml");
    fs::write(&roles, "[roles.ci]\nextends = \"viewer\"\n").unwrap();
    let done = diff(roles.to_str().unwrap());
    assert_eq!(done.status.code(), Some(3), "{done}");
    let told: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        (&told["roles"][0]["name"], &told["roles"][0]["role"]),
        (&"ci".into(), &"new".into())
    );
    assert_eq!(told["identities"], serde_json::json!([]));
    let text = fs::read_to_string(gate.config()).unwrap();
    fs::write(&same, text.replace("[\"busybox\"]", "[\"*\"]").replace(":ro", ":ro\", \"/srv/x:rw"))
        .unwrap();
    let done = gate.run(["policy", "diff", same.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(3), "{done}");
    let change = "  + binds = [\"/srv/x:rw\"]\n  + images = [\"*\"]\n";
    assert_eq!(done.stdout, format!("role shop\n{change}identity sue\n{change}"));
}

#[test]
fn what_is_explained_beforehand_is_what_then_happens() {
    let gate = Gate::up_with(&Engine::shared().socket(), SHOP);
    let shop = gate.docker_as("sue", "shop");
    for words in [
        &["create", "busybox", "true"][..],
        &["create", "-v", "/srv/shop/a:/a:ro", "busybox"],
        &["create", "-v", "/srv/shop/a:/a", "busybox"],
        &["create", "--privileged", "busybox"],
        &["create", "-p", "80:80", "busybox"],
        &["create", "-u", "0", "busybox"],
        &["network", "create", "n"],
        &["ps", "-a"],
    ] {
        let explain = [&["policy", "explain", "--as", "sue", "--json", "--"][..], words].concat();
        // The options of `Gate::run` must not come after the `--`.
        let mut command = gate.command(["policy"]);
        command.args(&explain[1..]);
        let answer: Value =
            serde_json::from_str(&crate::support::process::Running::start(command).wait().ok())
                .unwrap();
        let first = &answer["requests"][0];
        let done = shop.run(words);
        assert_eq!(first["allowed"], done.status.success(), "{words:?}: {first} {done}");
        if !done.status.success() {
            let rule = format!("[rule {}, ", first["rule"].as_str().unwrap());
            assert!(done.stderr.contains(&rule), "{words:?}: {done}");
        } else if words[0] == "create" {
            shop.run(["rm", &done.ok()]).ok();
        }
    }
}

#[test]
fn expectations_are_tried_on_the_roles_and_on_a_candidate() {
    let gate = Gate::up_with(&Engine::shared().socket(), SHOP);
    gate.credentials("sue", "shop");
    let file = gate.home().join("expectations.toml");
    let file = file.to_str().unwrap();
    let table = "[[expect]]\nidentity = \"sue\"\ndocker = \"create -v /srv/shop/a:/a:ro busybox\"\n\
                 allow = true\n[[expect]]\nrole = \"shop\"\n\
                 request = \"POST /containers/create\"\n\
                 body = { Image = \"busybox\", HostConfig = { Privileged = true } }\n\
                 allow = false\nrule = \"escape.privileged\"\n";
    fs::write(file, table).unwrap();
    assert_eq!(gate.run(["policy", "test", file]).ok().matches("ok ").count(), 2);
    let candidate = gate.home().join("candidate.toml");
    let text = fs::read_to_string(gate.config()).unwrap();
    fs::write(&candidate, text.replace("/srv/shop/*:ro", "/srv/other/*:ro")).unwrap();
    let tried =
        gate.run(["policy", "test", file, "--candidate", candidate.to_str().unwrap(), "--json"]);
    assert_eq!(tried.status.code(), Some(3), "{tried}");
    let told: Value = serde_json::from_str(&tried.stdout).unwrap();
    assert_eq!(told["results"][0]["as_expected"], false);
    assert_eq!(told["results"][1]["as_expected"], true);
}

#[test]
fn the_recorded_past_is_replayed_against_a_candidate_and_learned_from() {
    let gate = Gate::up_with(&Engine::shared().socket(), SHOP);
    let shop = gate.docker_as("sue", "shop");
    let secret = "PASSWORD=not-for-the-record";
    let create = ["create", "-e", secret, "-v", "/srv/shop/a:/a:ro", "-m", "64m", "busybox"];
    let id = shop.run(create).ok();
    shop.run(["rm", &id]).ok();
    shop.run(["create", "--privileged", "busybox"]).fails();
    shop.run(["network", "create", "n"]).fails();
    let records = gate.records();
    let created = records.iter().find(|record| record["operation"] == "ContainerCreate").unwrap();
    assert_eq!(
        created["asks"],
        serde_json::json!([
            "image busybox",
            "bind /srv/shop/a:ro",
            "memory 67108864",
            "cpus unlimited",
            "pids unlimited"
        ]),
        "{created}"
    );
    assert!(records.iter().all(|record| !record.to_string().contains("not-for-the-record")));
    // Its body was not read.
    let network = records.iter().find(|record| record["operation"] == "NetworkCreate").unwrap();
    assert_eq!(network["asks"], Value::Null);

    let same = gate.run(["policy", "replay", "--since", "1h"]);
    assert!(same.ok().starts_with("nothing would change\n"));
    let candidate = gate.home().join("candidate.toml");
    let text = fs::read_to_string(gate.config()).unwrap();
    fs::write(&candidate, text.replace("/srv/shop/*:ro", "/srv/other/*:ro")).unwrap();
    let replay = ["policy", "replay", candidate.to_str().unwrap(), "--json"];
    let done = gate.run(replay);
    assert_eq!(done.status.code(), Some(3), "{done}");
    let told: Value = serde_json::from_str(&done.stdout).unwrap();
    let changes = told["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{told}");
    assert_eq!((&changes[0]["rule"], &changes[0]["count"]), (&"escape.bind".into(), &1.into()));

    // What was learned is enough for the same again, and opens nothing else.
    let learn = ["policy", "learn", "--identity", "sue", "--refused", "--role", "learned"];
    let learned = gate.run(learn).ok();
    assert!(learned.contains("# escape.privileged (only admin may"), "{learned}");
    fs::write(gate.config(), text + &learned).unwrap();
    gate.run(["reload"]).ok();
    gate.run(["identity", "set", "sue", "--role", "learned"]).ok();
    let id = shop.run(create).ok();
    shop.run(["rm", &id]).ok();
    let (_, said) = shop.run(["create", "-v", "/srv/shop/b:/b:ro", "busybox"]).fails();
    assert!(said.contains("[rule escape.bind, "), "{said}");
    let (_, said) = shop.run(["create", "--privileged", "busybox"]).fails();
    assert!(said.contains("[rule escape.privileged, "), "{said}");
}

#[test]
fn a_role_in_warn_mode_lets_through_and_tells_what_it_would_refuse() {
    let trial = "[roles.trial]\nmode = \"warn\"\noperations = [\"ContainerCreate\", \"metadata\"]\n\
        images = [\"shop/*\"]\n";
    let gate = Gate::up_with(&Engine::shared().socket(), trial);
    let tina = gate.docker_as("tina", "trial");
    let name = fresh("trial");
    tina.run(["create", "--name", &name, "busybox", "true"]).ok();
    tina.run(["start", &name]).ok();
    for (args, rule) in [
        (&["create", "-v", "/srv:/x", "busybox"][..], "escape.bind"),
        (&["create", "--privileged", "busybox"], "escape.privileged"),
        (&["create", "--network", "host", "busybox"], "escape.host-network"),
        (&["exec", &name, "id"], "role.operations"),
        (&["swarm", "init"], "escape.swarm"),
    ] {
        let (_, said) = tina.run(args).fails();
        assert!(said.contains(&format!("[rule {rule}, ")), "{args:?}: {said}");
    }
    let decided = |operation: &str| {
        let records = gate.records();
        let mut all = records.iter().filter(|record| record["operation"] == operation);
        all.find(|record| record["allowed"] == true).unwrap().clone()
    };
    let create = decided("ContainerCreate");
    assert_eq!(create["rule"], "trial.operations");
    assert_eq!(create["would_deny"], serde_json::json!(["role.images"]));
    let start = decided("ContainerStart");
    assert_eq!(start["rule"], "trial.warn");
    assert_eq!(start["would_deny"], serde_json::json!(["role.operations"]));
    let log = gate.run(["log", "tail"]).ok();
    assert!(log.contains("(would be refused by role.images)"), "{log}");
    let explained = gate.run(["policy", "explain", create["id"].as_str().unwrap()]).ok();
    assert!(explained.contains("would be refused by role.images"), "{explained}");
    let metric = "seawall_would_deny_total{rule=\"role.images\"} 1\n";
    assert!(gate.metrics().contains(metric), "{}", gate.metrics());
    for said in [gate.run(["status"]).ok(), gate.run(["policy", "check"]).ok()] {
        assert!(said.contains("the role `trial` is in warn mode"), "{said}");
    }
    let who = gate.run(["policy", "who-can", "stop"]).ok();
    assert!(who.contains("trial.warn, in warn mode"), "{who}");
    // Enforced, it would have refused exactly those.
    let enforced = gate.home().join("enforced.toml");
    let text = fs::read_to_string(gate.config()).unwrap();
    fs::write(&enforced, text.replace("\"warn\"", "\"enforce\"")).unwrap();
    let (code, _) = gate.run(["policy", "replay", enforced.to_str().unwrap()]).fails();
    assert_eq!(code, Some(3));
    fs::write(gate.config(), fs::read_to_string(&enforced).unwrap()).unwrap();
    gate.run(["reload"]).ok();
    assert!(tina.run(["start", &name]).fails().1.contains("[rule role.operations, "));
    Side::Engine.docker().run(["rm", "-f", &name]).ok();
}

#[test]
fn a_role_grants_from_its_sources_alone() {
    let config = "[roles.near]\nextends = \"operator\"\nsources = [\"127.0.0.0/8\", \"::1\"]\n\
        [roles.far]\nextends = \"operator\"\nsources = [\"192.0.2.0/24\"]\n";
    let gate = Gate::up_with(&Engine::shared().socket(), config);
    gate.docker_as("nora", "near").run(["ps"]).ok();
    let fred = gate.docker_as("fred", "far");
    let (_, said) = fred.run(["ps"]).fails();
    assert!(said.contains("[rule role.sources, "), "{said}");
    assert!(said.contains("role far grants it only from 192.0.2.0/24"), "{said}");
    let explain = |from: &[&str]| {
        let mut command = gate.command(["policy"]);
        command.args([&["explain", "--as", "fred"][..], from, &["--", "ps"]].concat());
        crate::support::process::Running::start(command).wait().ok()
    };
    let here = explain(&["--from", "192.0.2.7"]);
    assert!(here.starts_with("fred (far) may:"), "{here}");
    for from in [&["--from", "127.0.0.1"][..], &[]] {
        let there = explain(from);
        assert!(there.contains("far is in force only from 192.0.2.0/24"), "{there}");
    }
}

#[test]
fn streams_are_cut_when_the_hours_of_a_role_end() {
    // Up to the next full minute that is far enough for the engine to be asked before.
    let now = time::OffsetDateTime::now_utc();
    let end = now + time::Duration::seconds(20 + 60);
    let (from, to) = (now - time::Duration::minutes(2), end);
    let clock = |at: time::OffsetDateTime| format!("{:02}:{:02}", at.hour(), at.minute());
    let hours = format!("{}-{}", clock(from), clock(to));
    let config = format!("[roles.shift]\nextends = \"viewer\"\nhours = [\"{hours}\"]\n");
    let gate = Gate::up_with(&Engine::shared().socket(), &config);
    let sam = gate.docker_as("sam", "shift");
    let vera = gate.docker_as("vera", "viewer");
    sam.run(["ps"]).ok();
    let others = vera.events();
    let events = sam.events();
    events.wait();
    let (_, said) = sam.run(["ps"]).fails();
    assert!(said.contains("[rule role.hours, "), "{said}");
    assert_eq!(clock(time::OffsetDateTime::now_utc()), clock(end));
    let mut others = others;
    assert!(others.runs());
}

#[test]
fn what_is_made_must_carry_the_labels_that_its_role_asks_for() {
    let config = "[roles.web]\noperations = [\"ContainerCreate\", \"VolumeCreate\", \"NetworkCreate\", \
        \"NetworkDelete\", \"VolumeDelete\"]\nimages = [\"busybox\"]\nvolumes = [\"*\"]\n\
        networks = [\"*\"]\nlabels = [\"team=web\"]\n";
    let gate = Gate::up_with(&Engine::shared().socket(), config);
    let wes = gate.docker_as("wes", "web");
    let (container, volume, network) = (fresh("web"), fresh("web"), fresh("web-"));
    for make in
        [&["create", "--name", &container][..], &["volume", "create"], &["network", "create"]]
    {
        let what: &[&str] = match make[0] {
            "create" => &["busybox"],
            "volume" => &[&volume],
            _ => &[&network],
        };
        for label in [&[][..], &["--label", "team=db"]] {
            let (_, said) = wes.run([make, label, what].concat()).fails();
            assert!(
                said.contains("without a label: `team=web`, which role web asks for"),
                "{said}"
            );
            assert!(said.contains("[rule role.labels, "), "{said}");
        }
        wes.run([make, &["--label", "team=web", "--label", "token=hunter2"], what].concat()).ok();
    }
    let records = gate.records();
    let created = records.iter().rfind(|record| record["operation"] == "ContainerCreate").unwrap();
    let asks = created["asks"].as_array().unwrap();
    assert!(asks.contains(&serde_json::json!("labels {\"team\":\"web\"}")), "{created}");
    assert!(!records.iter().any(|record| record.to_string().contains("hunter2")));
    wes.run(["volume", "rm", &volume]).ok();
    wes.run(["network", "rm", &network]).ok();
    Side::Engine.docker().run(["rm", &container]).ok();
}
