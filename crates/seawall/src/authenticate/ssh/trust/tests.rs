//! Certificates and lists as the real ssh-keygen makes them.

use std::path::PathBuf;
use std::process::Command;

use super::*;

struct Workshop(tempfile::TempDir);

impl Workshop {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    #[track_caller]
    fn keygen(&self, args: &[&str]) {
        let made = Command::new("ssh-keygen").args(args).current_dir(self.0.path()).output();
        let made = made.expect("ssh-keygen (openssh-client) is installed");
        assert!(made.status.success(), "{args:?}: {}", String::from_utf8_lossy(&made.stderr));
    }

    fn key(&self, name: &str, kind: &[&str]) -> PublicKey {
        self.keygen(&[&["-q", "-N", "", "-C", name, "-f", name, "-t"], kind].concat());
        self.public(&format!("{name}.pub"))
    }

    fn public(&self, file: &str) -> PublicKey {
        PublicKey::from_line(&std::fs::read_to_string(self.path(file)).unwrap()).unwrap().0
    }

    /// Certifies the key of that name with these options of `ssh-keygen -s`.
    #[track_caller]
    fn sign(&self, ca: &str, name: &str, options: &[&str]) -> Shown {
        let public = format!("{name}.pub");
        let args = [&["-q", "-s", ca, "-I", "alice@corp"], options, &[&public]].concat();
        self.keygen(&args);
        let line = std::fs::read_to_string(self.path(&format!("{name}-cert.pub"))).unwrap();
        let base64 = line.split(' ').nth(1).unwrap();
        let blob = data_encoding::BASE64.decode(base64.as_bytes()).unwrap();
        assert!(Certificate::is_one(&blob));
        let certificate = Certificate::parse(&blob).unwrap();
        let fingerprints = fingerprints(certificate.key());
        Shown { certificate, fingerprints, user: String::new(), server: Server::Gate }
    }

    fn trusting(&self, cas: &[&str], revoked: Option<&str>) -> Authorities {
        let line = |ca: &&str| std::fs::read_to_string(self.path(&format!("{ca}.pub"))).unwrap();
        let lines: Vec<_> = cas.iter().map(line).collect();
        std::fs::write(self.path("cas"), lines.concat()).unwrap();
        Authorities::load(&self.config(revoked)).unwrap()
    }

    fn config(&self, revoked: Option<&str>) -> config::Ssh {
        config::Ssh {
            trusted_user_ca: Some(self.path("cas")),
            revoked_keys: revoked.map(|name| self.path(name)),
            ..crate::config::interpret(
                "",
                &crate::cli::Context {
                    config_file: self.path("seawall.toml"),
                    state_dir: self.path("state"),
                    json: false,
                },
                &crate::config::Overrides::default(),
            )
            .unwrap()
            .ssh
        }
    }
}

fn judged(trust: &Authorities, shown: &Shown) -> Result<(), Refused> {
    trust.judge(shown, [192, 0, 2, 7].into(), SystemTime::now())
}

#[test]
fn certificates_of_every_kind_of_ca_are_verified() {
    let workshop = Workshop::new();
    let cas: &[(&str, &[&str])] = &[
        ("ed25519", &["ed25519"]),
        ("p256", &["ecdsa", "-b", "256"]),
        ("p384", &["ecdsa", "-b", "384"]),
        ("p521", &["ecdsa", "-b", "521"]),
        ("rsa", &["rsa", "-b", "3072"]),
    ];
    let names: Vec<_> = cas.iter().map(|(name, _)| *name).collect();
    for (name, kind) in cas {
        workshop.key(name, kind);
    }
    let trust = workshop.trusting(&names, None);
    workshop.key("alice", &["ed25519"]);
    workshop.key("bob", &["ecdsa"]);
    for ca in &names {
        let mut shown = workshop.sign(ca, "alice", &["-n", "alice", "-V", "-1h:+1h", "-z", "5"]);
        assert_eq!(judged(&trust, &shown), Ok(()), "{ca}");
        assert!(shown.describe().starts_with("ssh-cert:5:alice@corp:SHA256:"));
        assert!(shown.not_after().unwrap() > SystemTime::now());
        // One bit of what was signed.
        let line = std::fs::read_to_string(workshop.path("alice-cert.pub")).unwrap();
        let base64 = line.split(' ').nth(1).unwrap();
        let mut blob = data_encoding::BASE64.decode(base64.as_bytes()).unwrap();
        let principal = blob.windows(9).rposition(|part| part == b"\0\0\0\x05alice").unwrap();
        blob[principal + 8] ^= 1;
        shown.certificate = Certificate::parse(&blob).unwrap();
        assert_eq!(shown.certificate.principals(), ["alicd"]);
        assert_eq!(judged(&trust, &shown), Err(Refused::Signature), "{ca}");
        let shown = workshop.sign(ca, "bob", &["-n", "bob"]);
        assert_eq!(judged(&trust, &shown), Ok(()), "{ca}");
        assert_eq!(shown.not_after(), None);
    }
    // An RSA CA's SHA-1 is no signature.
    let old = workshop.sign("rsa", "alice", &["-n", "alice", "-t", "ssh-rsa"]);
    assert_eq!(judged(&trust, &old), Err(Refused::Signature));
}

#[test]
fn what_a_certificate_says_against_itself_counts() {
    let workshop = Workshop::new();
    workshop.key("ca", &["ed25519"]);
    workshop.key("other", &["ed25519"]);
    workshop.key("alice", &["ed25519"]);
    let trust = workshop.trusting(&["ca"], None);
    let with = |options: &[&str]| {
        let shown = workshop.sign("ca", "alice", options);
        judged(&trust, &shown)
    };
    assert_eq!(with(&["-n", "alice"]), Ok(()));
    assert_eq!(with(&[]), Err(Refused::NoPrincipal));
    assert_eq!(with(&["-h", "-n", "alice"]), Err(Refused::NotUser));
    assert_eq!(with(&["-n", "alice", "-V", "-2h:-1h"]), Err(Refused::Expired));
    assert_eq!(with(&["-n", "alice", "-V", "+1h:+2h"]), Err(Refused::NotYet));
    let source = ["-n", "alice", "-O", "source-address=198.51.100.0/24,192.0.2.0/24"];
    assert_eq!(with(&source), Ok(()));
    let source = ["-n", "alice", "-O", "source-address=198.51.100.0/24"];
    assert_eq!(with(&source), Err(Refused::SourceAddress([192, 0, 2, 7].into())));
    assert_eq!(with(&["-n", "alice", "-O", "force-command=id"]), Err(Refused::ForceCommand));
    let engine = ["-n", "alice", "-O", "force-command=docker system dial-stdio"];
    assert_eq!(with(&engine), Ok(()));
    let critical = ["-n", "alice", "-O", "critical:x@corp=1"];
    assert_eq!(with(&critical), Err(Refused::CriticalOption("x@corp".to_owned())));
    let others = workshop.sign("other", "alice", &["-n", "alice"]);
    assert_eq!(judged(&trust, &others), Err(Refused::Ca));
}

#[test]
fn lists_of_ssh_keygen_revoke_what_they_name() {
    let workshop = Workshop::new();
    workshop.key("ca", &["ed25519"]);
    let alice = workshop.key("alice", &["ed25519"]);
    workshop.key("bob", &["ecdsa"]);
    workshop.key("old-ca", &["ed25519"]);
    let certify = |name: &str, serial: &str| workshop.sign("ca", name, &["-n", name, "-z", serial]);
    let spec = |name: &str, text: &str| {
        std::fs::write(workshop.path("spec"), text).unwrap();
        workshop.keygen(&["-q", "-k", "-f", name, "-s", "ca.pub", "spec"]);
    };
    let list = |name: &str, args: &[&str]| {
        workshop.keygen(&[&["-q", "-k", "-f", name], args].concat());
    };
    list("by-key", &["alice.pub"]);
    list("nobody", &[]);
    spec("by-serial", "serial: 5\nserial: 100-200\nserial: 1000\nserial: 1002\nserial: 1009\n");
    spec("by-id", "id: alice@corp\n");
    spec(
        "by-sha1",
        &format!("sha1: {}", std::fs::read_to_string(workshop.path("alice.pub")).unwrap()),
    );
    spec(
        "by-sha256",
        &format!("sha256: {}", std::fs::read_to_string(workshop.path("alice.pub")).unwrap()),
    );
    std::fs::copy(workshop.path("alice.pub"), workshop.path("plain")).unwrap();
    list("by-ca", &["ca.pub"]);
    for (file, serial, refused) in [
        ("nobody", "5", false),
        ("by-key", "7", true),
        ("by-sha1", "7", true),
        ("by-sha256", "7", true),
        ("plain", "7", true),
        ("by-id", "7", true),
        ("by-serial", "5", true),
        ("by-serial", "7", false),
        ("by-serial", "99", false),
        ("by-serial", "100", true),
        ("by-serial", "200", true),
        ("by-serial", "201", false),
        ("by-serial", "1002", true),
        ("by-serial", "1003", false),
    ] {
        let trust = workshop.trusting(&["ca", "old-ca"], Some(file));
        let expected = if refused { Err(Refused::Revoked) } else { Ok(()) };
        assert_eq!(judged(&trust, &certify("alice", serial)), expected, "{file} {serial}");
        let by_key = ["by-key", "by-sha1", "by-sha256", "plain"].contains(&file);
        assert_eq!(trust.revokes(&alice.to_string()), by_key, "{file}");
    }
    let trust = workshop.trusting(&["ca", "old-ca"], Some("by-ca"));
    assert_eq!(judged(&trust, &certify("alice", "7")), Err(Refused::Ca));
    let bob = workshop.trusting(&["ca"], Some("by-key"));
    assert_eq!(judged(&bob, &certify("bob", "7")), Ok(()));
}

#[test]
fn files_that_cannot_be_used_are_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let workshop = Workshop::new();
    workshop.key("ca", &["ed25519"]);
    workshop.trusting(&["ca"], None);
    let complaint = |revoked| {
        let error = Authorities::load(&workshop.config(revoked)).unwrap_err().to_string();
        error.replace(&workshop.0.path().display().to_string(), "DIR")
    };
    let mut told = vec![complaint(Some("absent"))];
    std::fs::write(workshop.path("bad"), "SSHKRL\n\0\0\0\0\x02").unwrap();
    told.push(complaint(Some("bad")));
    std::fs::write(workshop.path("cas"), "# ours\nssh-ed25519 AAAA\n").unwrap();
    told.push(complaint(None));
    std::fs::write(workshop.path("cas"), "# none\n").unwrap();
    told.push(complaint(None));
    let open = std::fs::Permissions::from_mode(0o664);
    std::fs::set_permissions(workshop.path("cas"), open).unwrap();
    told.push(complaint(None));
    insta::assert_snapshot!(told.join("\n"), @"
    error: cannot read DIR/absent: No such file or directory (os error 2)
    error: DIR/bad: it is of version 2 of the format; version 1 is known
    error: DIR/cas:2: this is no key of a CA: its base64 does not hold a public key: it is cut short, or not written as SSH writes it
    hint: put the public key there that `ssh-keygen -s` signs with
    error: there is no key in DIR/cas
    error: others may change DIR/cas, and with it who may enter
    hint: chown root DIR/cas && chmod 0644 DIR/cas
    ");
}
