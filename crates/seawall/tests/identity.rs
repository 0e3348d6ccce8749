//! `identity`, `revoke`, `ca`, `backup` and `restore` as typed, on a host where no gate runs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use seawall::state::call::StateCall;
use seawall::state::{Lock, Store, execute};
use seawall_rules::policy::Roles;

struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    /// A host where `seawall up` was run once.
    fn new() -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap() };
        let hostnames = ["gate.example", "localhost"].map(str::to_owned).to_vec();
        let config = "listen = [\"tcp://0.0.0.0:2376\"]\n\
                      hostnames = [\"localhost\", \"gate.example\"]\n";
        std::fs::write(host.path("seawall.toml"), config).unwrap();
        let mut store = Store::create(Lock::take(&host.path("state")).unwrap()).unwrap();
        let call = StateCall::SetUp { host: "gate".to_owned(), hostnames };
        execute(&mut store, call, &Roles::built_in(), SystemTime::now()).unwrap();
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_seawall"))
            .arg("--config")
            .arg(self.path("seawall.toml"))
            .arg("--state")
            .arg(self.path("state"))
            .args(args)
            .current_dir(self.dir.path())
            .env_remove("SUDO_UID")
            .output()
            .unwrap()
    }

    /// What it printed; it must have worked.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", self.tidy(&output.stderr));
        self.tidy(&output.stdout)
    }

    /// What it complained; it must have failed with this code.
    #[track_caller]
    fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", self.tidy(&output.stdout));
        self.tidy(&output.stderr)
    }

    fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    /// Text with what differs from run to run replaced.
    fn tidy(&self, text: &[u8]) -> String {
        let text = String::from_utf8(text.to_vec()).unwrap();
        text.replace(&self.dir.path().display().to_string(), "/DIR")
    }

    fn openssl(&self, args: &[&str]) -> (bool, String) {
        let output = Command::new("openssl").args(args).current_dir(self.dir.path()).output();
        let output = output.expect("install openssl: the tests verify with it");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// `2026-03-01 12:00 UTC` and serials differ from run to run.
fn without_times(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let bare = word.trim_end();
        let tail = &word[bare.len()..];
        let date = bare.len() == 10 && bare.bytes().filter(|&b| b == b'-').count() == 2;
        let clock = bare.len() == 5 && bare.as_bytes()[2] == b':';
        let serial = bare.len() == 32 && bare.bytes().all(|b| b.is_ascii_hexdigit());
        words.push(match (date, clock, serial) {
            (true, _, _) => "DATE".to_owned() + tail,
            (_, true, _) => "TIME".to_owned() + tail,
            (_, _, true) => "SERIAL".to_owned() + tail,
            _ => word.to_owned(),
        });
    }
    words.join(" ")
}

#[test]
fn an_identity_gets_a_folder_that_only_its_owner_can_read() {
    let host = Host::new();
    let said = host.ok(&["identity", "add", "alice", "--role", "operator", "--out", "alice"]);
    insta::assert_snapshot!(without_times(&said), @"
    added: alice (operator)
    made: ca.pem, cert.pem and key.pem in /DIR/alice
          for alice at gate.example:2376, until DATE TIME UTC
    next: DOCKER_HOST=tcp://gate.example:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=/DIR/alice docker ps
    ");
    assert_eq!(mode(&host.path("alice")), 0o700);
    assert_eq!(mode(&host.path("alice/key.pem")), 0o600);
    let args = ["verify", "-purpose", "sslclient", "-CAfile", "alice/ca.pem", "alice/cert.pem"];
    let (verified, text) = host.openssl(&args);
    assert!(verified, "{text}");
    let public = |kind: &str, file: &str| host.openssl(&[kind, "-pubout", "-in", file]).1;
    let (_, certified) = host.openssl(&["x509", "-noout", "-pubkey", "-in", "alice/cert.pem"]);
    assert_eq!(certified, public("pkey", "alice/key.pem"));
}

#[test]
fn credentials_that_are_there_are_not_replaced_unasked() {
    let host = Host::new();
    host.ok(&["identity", "add", "alice", "--role", "viewer"]);
    let key = std::fs::read(host.path("alice/key.pem")).unwrap();
    let said = host.fails(1, &["identity", "add", "bob", "--role", "viewer", "--out", "alice"]);
    insta::assert_snapshot!(said, @"
    error: there are credentials in /DIR/alice
    hint: replace them with --force
    ");
    assert_eq!(std::fs::read(host.path("alice/key.pem")).unwrap(), key);
    assert!(!host.ok(&["identity", "list"]).contains("bob"));
    host.ok(&["identity", "issue", "alice", "--out", "alice", "--force"]);
    assert_ne!(std::fs::read(host.path("alice/key.pem")).unwrap(), key);
}

#[test]
fn an_archive_is_what_docker_context_import_takes() {
    let host = Host::new();
    let args = ["identity", "add", "ci", "--machine", "--role", "viewer", "--context", "ci.tar"];
    host.ok(&args);
    assert_eq!(mode(&host.path("ci.tar")), 0o600);
    let list = Command::new("tar").arg("tf").arg(host.path("ci.tar")).output().unwrap();
    insta::assert_snapshot!(String::from_utf8(list.stdout).unwrap(), @"
    meta.json
    tls/
    tls/docker/
    tls/docker/ca.pem
    tls/docker/cert.pem
    tls/docker/key.pem
    ");
    let kind = &host.json(&["identity", "show", "ci", "--json"])["kind"];
    assert_eq!(kind, "machine");
    let again = host.fails(1, &["identity", "issue", "ci", "--context", "ci.tar"]);
    assert!(again.contains("/DIR/ci.tar exists"), "{again}");
}

#[test]
fn an_invitation_is_the_only_thing_on_standard_output() {
    let host = Host::new();
    let args = ["identity", "add", "alice", "--role", "viewer", "--invite"];
    let printed = host.ok(&args);
    assert!(printed.starts_with("seawall1.") && printed.lines().count() == 1, "{printed}");
    let invitations = host.json(&["identity", "invitations", "--json"]);
    assert_eq!(invitations[0]["standing"], "open");
    let id = invitations[0]["id"].as_str().unwrap();
    host.ok(&["identity", "invitations", "--revoke", id]);
    let invitations = host.json(&["identity", "invitations", "--json"]);
    assert_eq!(invitations[0]["standing"], "revoked");
}

#[test]
fn a_match_alone_makes_no_certificate() {
    let host = Host::new();
    let args = ["identity", "add", "ci", "--role", "viewer", "--match", "uri=spiffe://a/ci"];
    insta::assert_snapshot!(host.ok(&args), @"added: ci (viewer)");
    assert!(!host.path("ci").exists());
    insta::assert_snapshot!(host.ok(&["identity", "list"]), @"
    NAME  KIND    ROLES   FROM      ENTERS
    ci    person  viewer  anywhere  by match
    ");
    let change = ["identity", "set", "ci", "--no-match", "--from", "10.0.0.0/8", "--role", "admin"];
    host.ok(&change);
    insta::assert_snapshot!(host.ok(&["identity", "list"]), @"
    NAME  KIND    ROLES  FROM        ENTERS
    ci    person  admin  10.0.0.0/8  nothing valid
    ");
}

#[test]
fn what_is_typed_wrong_is_refused_before_anything_is_done() {
    let host = Host::new();
    for (args, expected) in [
        (&["add", "Alice", "--role", "viewer"][..], "is not a name"),
        (&["add", "alice"], "--role <ROLE>"),
        (&["add", "alice", "--role", "viewer", "--from", "10.0.0.1/8"], "write `10.0.0.0/8`"),
        (&["add", "alice", "--role", "viewer", "--ttl", "long"], "write a time like"),
        (&["add", "alice", "--role", "viewer", "--match", "mail=a"], "`cn`, `dns`, `uri`"),
        (&["add", "alice", "--role", "viewer", "--invite", "--out", "x"], "cannot be used with"),
        (&["add", "alice", "--role", "viewr"], "did you mean `viewer`?"),
        (&["set", "alice"], "required"),
    ] {
        let said = host.fails(2, &[&["identity"], args].concat());
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    insta::assert_snapshot!(host.ok(&["identity", "list"]), @"NAME  KIND  ROLES  FROM  ENTERS");
    assert!(!host.path("alice").exists());
}

#[test]
fn a_revoked_certificate_stands_in_the_crl() {
    let host = Host::new();
    host.ok(&["identity", "add", "root", "--role", "admin"]);
    host.ok(&["identity", "add", "alice", "--role", "viewer"]);
    let said = host.ok(&["revoke", "alice", "--reason", "key-compromise"]);
    insta::assert_snapshot!(said, @"revoked: alice");
    let again = host.ok(&["revoke", "alice"]);
    insta::assert_snapshot!(without_times(&again), @"alice was revoked at DATE TIME UTC already");
    host.ok(&["ca", "crl", "--out", "list.crl"]);
    host.ok(&["ca", "crl", "--der", "--out", "list.der"]);
    let (_, text) = host.openssl(&["crl", "-in", "list.der", "-inform", "DER", "-noout", "-text"]);
    assert!(text.contains("Key Compromise"), "{text}");
    let check = |who: &str| {
        let cert = format!("{who}/cert.pem");
        let args =
            ["verify", "-crl_check", "-CRLfile", "list.crl", "-CAfile", "root/ca.pem", &cert];
        host.openssl(&args)
    };
    assert!(check("root").0);
    let (verified, text) = check("alice");
    assert!(!verified && text.contains("certificate revoked"), "{text}");
    let said = host.fails(1, &["revoke", "root"]);
    assert!(said.starts_with("error: `root` is the last admin\nhint: "), "{said}");
    host.ok(&["revoke", "root", "--force"]);
    // Whoever is root on the host is never locked out.
    host.ok(&["identity", "add", "root", "--role", "admin", "--out", "new"]);
}

#[test]
fn a_rotation_is_finished_when_all_have_renewed() {
    let host = Host::new();
    host.ok(&["identity", "add", "alice", "--role", "admin"]);
    let shown = host.ok(&["ca", "rotate"]);
    assert!(shown.contains("retiring: CN=Seawall CA gate "), "{shown}");
    assert!(shown.contains("not renewed yet:\nNAME   SERIAL\nalice  "), "{shown}");
    let said = host.fails(1, &["ca", "rotate", "--finish"]);
    assert!(said.starts_with("error: not all have renewed: alice\n"), "{said}");
    host.ok(&["identity", "issue", "alice", "--out", "new"]);
    std::fs::write(host.path("bundle.pem"), host.ok(&["ca", "show", "--pem"])).unwrap();
    for cert in ["alice/cert.pem", "new/cert.pem"] {
        let (verified, text) = host.openssl(&["verify", "-CAfile", "bundle.pem", cert]);
        assert!(verified, "{cert}: {text}");
    }
    host.ok(&["ca", "rotate", "--finish", "--force"]);
    std::fs::write(host.path("bundle.pem"), host.ok(&["ca", "show", "--pem"])).unwrap();
    assert!(!host.openssl(&["verify", "-CAfile", "bundle.pem", "alice/cert.pem"]).0);
    assert!(host.openssl(&["verify", "-CAfile", "bundle.pem", "new/cert.pem"]).0);
}

#[test]
fn the_key_of_the_ca_goes_offline_and_comes_back() {
    let host = Host::new();
    host.ok(&["ca", "export-key", "--out", "ca.key"]);
    assert_eq!(mode(&host.path("ca.key")), 0o600);
    let said = host.fails(1, &["identity", "add", "alice", "--role", "admin"]);
    insta::assert_snapshot!(said, @"
    error: the key of the CA is offline: nothing can be signed
    hint: bring it back with `seawall ca import --key FILE`
    ");
    host.ok(&["ca", "import", "--key", "ca.key"]);
    host.ok(&["identity", "add", "alice", "--role", "admin"]);
}

#[test]
fn a_backup_comes_back_without_what_was_revoked() {
    let host = Host::new();
    host.ok(&["identity", "add", "alice", "--role", "admin"]);
    host.ok(&["identity", "add", "bob", "--role", "viewer"]);
    host.ok(&["backup", "state.backup"]);
    assert_eq!(mode(&host.path("state.backup")), 0o600);
    assert!(host.fails(1, &["backup", "state.backup"]).contains("never overwritten"));
    host.ok(&["revoke", "bob"]);
    let said = host.ok(&["restore", "state.backup"]);
    insta::assert_snapshot!(
        said, @"restored; open invitations are void, and what was revoked stays so"
    );
    let list = host.json(&["identity", "list", "--json"]);
    assert_eq!((&list[0]["name"], &list[0]["revoked"]), (&"alice".into(), &().into()));
    assert!(list[1]["name"] == "bob" && list[1]["revoked"].is_string(), "{list}");
    let lock = Lock::take(&host.path("state")).unwrap();
    let said = host.fails(1, &["restore", "state.backup"]);
    insta::assert_snapshot!(said, @"
    error: the state in /DIR/state is in use by another seawall process
    hint: stop the gate first: `systemctl stop seawall`
    ");
    drop(lock);
}

#[test]
fn a_change_that_is_refused_has_that_in_the_record() {
    let host = Host::new();
    host.fails(1, &["revoke", "nobody"]);
    let shown = host.ok(&["log", "tail", "--json"]);
    assert!(shown.contains("\"what\":\"revoke\""), "{shown}");
    assert!(shown.contains("\"what\":\"change.refused\""), "{shown}");
    host.ok(&["log", "verify"]);
}

#[test]
fn a_configuration_in_a_folder_of_others_is_not_read() {
    let host = Host::new();
    let folder = host.path("open");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(host.path("seawall.toml"), folder.join("seawall.toml")).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let said = host.fails(2, &["identity", "list", "--config", "open/seawall.toml"]);
    insta::assert_snapshot!(said, @r"
    error: others may replace `/DIR/open/seawall.toml`, through `/DIR/open`, and with it who may enter the gate
    hint: run: chmod go-w '/DIR/open'
    ");
}
