//! Certificates made by hand, following Docker's own guide, on a gate that is run with dockerd's
//! own flags.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::client::Docker;
use crate::support::engine::Engine;
use crate::support::gate::{Gate, recorded_at};
use crate::support::process::Running;
use crate::support::wait::{SHORT, until};

/// A CA with a server's and a client's certificate.
struct ByHand {
    dir: tempfile::TempDir,
}

impl ByHand {
    fn rsa() -> Self {
        Self::made(&["genrsa", "-out", "KEY", "2048"])
    }

    fn ecdsa() -> Self {
        Self::made(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "KEY"])
    }

    fn made(genkey: &[&str]) -> Self {
        let by_hand = Self { dir: tempfile::tempdir().unwrap() };
        let key = |name: &str| {
            let args: Vec<_> =
                genkey.iter().map(|arg| if *arg == "KEY" { name } else { arg }).collect();
            by_hand.openssl(&args);
        };
        key("ca-key.pem");
        by_hand.openssl(&[
            "req",
            "-new",
            "-x509",
            "-days",
            "2",
            "-key",
            "ca-key.pem",
            "-sha256",
            "-out",
            "ca.pem",
            "-subj",
            "/C=NL/O=Harbor/CN=harbor ca",
        ]);
        key("server-key.pem");
        by_hand.sign(
            "server",
            "/CN=localhost",
            "subjectAltName = DNS:localhost,IP:127.0.0.1\nextendedKeyUsage = serverAuth\n",
        );
        key("client-key.pem");
        by_hand.sign("client", "/CN=client", "extendedKeyUsage = clientAuth\n");
        by_hand.client_folder("client");
        by_hand
    }

    // The client's folder as DOCKER_CERT_PATH wants it.
    fn client_folder(&self, name: &str) -> PathBuf {
        let folder = self.dir.path().join(format!("folder-of-{name}"));
        fs::create_dir_all(&folder).unwrap();
        for (from, to) in [
            ("ca.pem".to_owned(), "ca.pem"),
            (format!("{name}-cert.pem"), "cert.pem"),
            (format!("{name}-key.pem"), "key.pem"),
        ] {
            fs::copy(self.dir.path().join(from), folder.join(to)).unwrap();
        }
        folder
    }

    fn sign(&self, name: &str, subject: &str, extensions: &str) {
        fs::write(self.dir.path().join("extfile.cnf"), extensions).unwrap();
        let (key, csr, cert) =
            (format!("{name}-key.pem"), format!("{name}.csr"), format!("{name}-cert.pem"));
        self.openssl(&["req", "-subj", subject, "-sha256", "-new", "-key", &key, "-out", &csr]);
        self.openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-sha256",
            "-in",
            &csr,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca-key.pem",
            "-CAcreateserial",
            "-out",
            &cert,
            "-extfile",
            "extfile.cnf",
        ]);
    }

    fn openssl(&self, args: &[&str]) {
        let mut command = Command::new("openssl");
        command.args(args).current_dir(self.dir.path());
        Running::start(command).wait().ok();
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Writes `crl.pem`, good for a day: nobody revoked, or the client.
    fn crl(&self, revoked: &[&str]) {
        self.crl_of(revoked, "86400");
    }

    /// The same, good for so many seconds.
    fn crl_of(&self, revoked: &[&str], seconds: &str) {
        let index: Vec<_> = revoked
            .iter()
            .map(|name| {
                let cert = format!("{name}-cert.pem");
                let args = ["x509", "-in", &cert, "-noout", "-serial"];
                let said = Command::new("openssl").args(args).current_dir(self.dir.path()).output();
                let said = String::from_utf8(said.unwrap().stdout).unwrap();
                let serial = said.trim().trim_start_matches("serial=").to_owned();
                format!("R\t400101000000Z\t260101000000Z\t{serial}\tunknown\t/CN={name}\n")
            })
            .collect();
        fs::write(self.dir.path().join("index.txt"), index.concat()).unwrap();
        let ca = "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\ndefault_md = sha256\n\
                  crlnumber = crlnumber\ncrl_extensions = e\n\
                  [e]\nauthorityKeyIdentifier = keyid\n";
        fs::write(self.dir.path().join("crlnumber"), "01\n").unwrap();
        fs::write(self.dir.path().join("ca.cnf"), ca).unwrap();
        let out = ["-keyfile", "ca-key.pem", "-cert", "ca.pem", "-out", "crl.pem"];
        self.openssl(
            &[&["ca", "-config", "ca.cnf", "-gencrl", "-crlsec", seconds][..], &out[..]].concat(),
        );
    }

    /// A gate run as dockerd would be, with these arguments more.
    fn gate(&self, more: &[&str]) -> Gate {
        let gate = self.gate_with("", more);
        gate.start();
        gate
    }

    /// The same with these lines in its configuration, not started.
    fn gate_with(&self, config: &str, more: &[&str]) -> Gate {
        let flags = [
            "serve".to_owned(),
            "--tlsverify".to_owned(),
            format!("--tlscacert={}", self.path("ca.pem")),
            format!("--tlscert={}", self.path("server-cert.pem")),
            format!("--tlskey={}", self.path("server-key.pem")),
            "-H".to_owned(),
            "tcp://ADDRESS".to_owned(),
        ];
        let args: Vec<_> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
        Gate::prepared(&Engine::shared().socket(), config, &args)
    }
}

// Waits until the record has a request of this operation.
fn has_begun(gate: &Gate, operation: &str) {
    until(
        SHORT,
        || format!("no {operation} in {:?}", gate.records()),
        || gate.records().iter().any(|record| record["operation"] == operation),
    );
}

fn docker(gate: &Gate, folder: &Path) -> Docker {
    Docker::first(gate.env(folder))
}

#[test]
fn a_certificate_that_matches_nobody_is_told_how_it_can_be_granted() {
    let by_hand = ByHand::rsa();
    let gate = by_hand.gate(&[]);
    let (_, said) = docker(&gate, &by_hand.client_folder("client")).run(["ps"]).fails();
    assert!(said.contains("seawall: "), "{said}");
    assert!(said.contains("identity add"), "{said}");
    assert!(said.contains("--match"), "{said}");
}

#[test]
fn certificates_by_rsa_and_ecdsa_enter_by_a_match() {
    for by_hand in [ByHand::rsa(), ByHand::ecdsa()] {
        let gate = by_hand.gate(&[]);
        let docker = docker(&gate, &by_hand.client_folder("client"));
        gate.run(["identity", "add", "harbormaster", "--role", "admin", "--match", "cn=client"])
            .ok();
        docker.run(["run", "--rm", "busybox", "echo", "hello"]).ok();
        gate.run(["revoke", "harbormaster", "--force"]).ok();
        docker.run(["ps"]).fails();
        let recorded = gate.records();
        assert!(recorded.iter().any(|record| record["identity"] == "harbormaster"));
    }
}

#[test]
fn a_match_by_dns_uri_and_key_takes_only_what_matches() {
    let by_hand = ByHand::ecdsa();
    by_hand.openssl(&[
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
        "job-key.pem",
    ]);
    by_hand.sign(
        "job",
        "/CN=whatever",
        "subjectAltName = DNS:job.ci.example,URI:spiffe://ci.example/job\n\
         extendedKeyUsage = clientAuth\n",
    );
    let job = by_hand.client_folder("job");
    for (matched, hit) in [
        ("dns=job.ci.example", true),
        ("dns=other.ci.example", false),
        ("uri=spiffe://ci.example/job", true),
        ("uri=spiffe://ci.example/jo", false),
        ("cn=client", false),
    ] {
        let gate = by_hand.gate(&[]);
        gate.run(["identity", "add", "job", "--role", "viewer", "--match", matched]).ok();
        let done = docker(&gate, &job).run(["ps"]);
        assert_eq!(done.status.success(), hit, "{matched}: {done}");
    }
}

#[test]
fn a_default_role_is_what_strangers_of_the_ca_get() {
    let by_hand = ByHand::ecdsa();
    let gate = by_hand.gate(&["--default-role", "viewer"]);
    let client = docker(&gate, &by_hand.client_folder("client"));
    client.run(["ps"]).ok();
    let (_, said) = client.run(["run", "busybox"]).fails();
    assert!(said.contains("(viewer) may not"), "{said}");
    // Nobody who was not certified by that CA.
    let other = ByHand::ecdsa();
    let stranger = other.client_folder("client");
    fs::copy(by_hand.path("ca.pem"), stranger.join("ca.pem")).unwrap();
    docker(&gate, &stranger).run(["ps"]).fails();
    // A server's certificate is no client's.
    let server = by_hand.client_folder("server");
    docker(&gate, &server).run(["ps"]).fails();
}

#[test]
fn admin_as_the_default_role_needs_to_be_said_twice() {
    let by_hand = ByHand::ecdsa();
    let (ca, cert, key) =
        (by_hand.path("ca.pem"), by_hand.path("server-cert.pem"), by_hand.path("server-key.pem"));
    let gate = Gate::prepared(&Engine::shared().socket(), "", &[]);
    let tls = ["--tlsverify", "--tlscacert", &ca, "--tlscert", &cert, "--tlskey", &key];
    let serve = ["serve", "--default-role", "admin", "-H", "tcp://127.0.0.1:0"];
    let (code, said) = gate.run(serve.into_iter().chain(tls)).fails();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("unsafe"), "{said}");
    let gate = by_hand.gate(&["--default-role", "admin", "--unsafe-default-admin"]);
    docker(&gate, &by_hand.client_folder("client")).run(["run", "--rm", "busybox"]).ok();
}

#[test]
fn tcp_without_mutual_tls_is_refused_with_the_safe_command() {
    let gate = Gate::prepared(&Engine::shared().socket(), "", &[]);
    for refused in [
        &["serve", "-H", "tcp://0.0.0.0:2375"][..],
        &["serve", "-H", "tcp://127.0.0.1:2375"],
        &["serve", "--tls", "-H", "tcp://127.0.0.1:2376"],
        &["serve", "--tlsverify=false", "-H", "tcp://127.0.0.1:2376"],
    ] {
        let (code, said) = gate.run(refused).fails();
        assert_eq!(code, Some(2), "{refused:?}: {said}");
        assert!(said.contains("hint: "), "{refused:?}: {said}");
    }
}

#[test]
fn a_revoked_match_is_cut_and_does_not_become_what_strangers_are() {
    let by_hand = ByHand::ecdsa();
    let gate = by_hand.gate(&["--default-role", "operator"]);
    gate.run(["identity", "add", "job", "--role", "viewer", "--match", "cn=client"]).ok();
    let client = docker(&gate, &by_hand.client_folder("client"));
    client.run(["ps"]).ok();
    let events = client.start(["events"]);
    has_begun(&gate, "SystemEvents");
    // Somebody is just replacing the gate's own files; that must not hold it up.
    fs::remove_file(by_hand.path("server-key.pem")).unwrap();
    gate.run(["revoke", "job", "--force"]).ok();
    events.wait();
    gate.cut_within_a_second_of("revoke", 1);
    client.run(["ps"]).fails();
    gate.run(["identity", "remove", "job", "--force"]).ok();
    client.run(["ps"]).fails();
    gate.run(["identity", "add", "again", "--role", "viewer", "--match", "cn=client"]).ok();
    client.run(["ps"]).ok();
}

#[test]
fn a_crl_that_is_reloaded_cuts_whom_it_names() {
    let by_hand = ByHand::ecdsa();
    by_hand.crl(&[]);
    let crl = format!("[tls]\ncrl = {:?}\n", by_hand.path("crl.pem"));
    let gate = by_hand.gate_with(&crl, &["--default-role", "viewer"]);
    gate.start();
    let client = docker(&gate, &by_hand.client_folder("client"));
    client.run(["ps"]).ok();
    let events = client.start(["events"]);
    has_begun(&gate, "SystemEvents");
    by_hand.crl(&["client"]);
    gate.run(["reload"]).ok();
    events.wait();
    gate.cut_within_a_second_of("reload", 1);
    client.run(["ps"]).fails();
}

#[test]
fn a_crl_that_expires_cuts_everybody_it_could_have_named() {
    let by_hand = ByHand::ecdsa();
    by_hand.crl(&[]);
    let crl = format!("[tls]\ncrl = {:?}\n", by_hand.path("crl.pem"));
    let gate = by_hand.gate_with(&crl, &["--default-role", "viewer"]);
    gate.start();
    let client = docker(&gate, &by_hand.client_folder("client"));
    let events = client.start(["events"]);
    has_begun(&gate, "SystemEvents");
    by_hand.crl_of(&[], "4");
    gate.run(["reload"]).ok();
    let end = gate.metrics();
    let end = end.lines().find(|line| line.contains("{of=\"crl\",")).unwrap();
    let end = end.rsplit_once(' ').unwrap().1.parse().unwrap();
    events.wait();

    let cut = gate.cut(1)[0];
    let records = gate.records();
    let reloaded = recorded_at(records.iter().find(|record| record["what"] == "reload").unwrap());
    // On a busy machine it may have ended before the reload that was to load it in time.
    let due = reloaded.max(time::OffsetDateTime::from_unix_timestamp(end).unwrap());
    let late = cut - due;
    assert!((0..1000).contains(&late.whole_milliseconds()), "cut {late} after {due}");
    client.run(["ps"]).fails();
    assert!(gate.run(["status"]).ok().contains("CRL"), "status says so");
    by_hand.crl(&[]);
    gate.run(["reload"]).ok();
    client.run(["ps"]).ok();
}
