//! Both sides against each other, over real TLS and the gate's own doors.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use seawall_rules::identity::Name;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::client::{self, Failure};
use super::invitation::{Address, Invitation, Secret};
use super::owner::Owner;
use super::place::{Credentials, Enrolled, Overwrite, Place};
use super::server::{Desk, Enrolment, Issued, Refused};
use super::wire::{Code, Grant};
use crate::audit::CannotRecord;
use crate::authenticate::identities::Identities;
use crate::authenticate::tls::{Door, Doors, Material};
use crate::config;
use crate::pki::{Ca, Facts, Key, PERSON, PublicKey};
use crate::state::{Certificate, Identity, IdentityId};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Invited {
    Expired,
    Open,
    Revoked,
    Used([u8; 32]),
}

/// A gate that keeps its books in memory and knows one identity, `alice`.
struct Gate {
    ca: Ca,
    hostnames: Vec<String>,
    invitations: Mutex<HashMap<[u8; 32], Invited>>,
    issued: Mutex<Vec<(Facts, String)>>,
    events: Mutex<Vec<String>>,
    strangers: Mutex<Vec<IpAddr>>,
    clock: Mutex<Result<(), Refused>>,
    record: Mutex<Result<(), ()>>,
}

impl Gate {
    fn new() -> Arc<Self> {
        Self::named(&["127.0.0.1"])
    }

    fn named(hostnames: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            ca: Ca::create("test", SystemTime::now()).unwrap(),
            hostnames: hostnames.iter().map(|&name| name.to_owned()).collect(),
            invitations: Mutex::default(),
            issued: Mutex::default(),
            events: Mutex::default(),
            strangers: Mutex::default(),
            clock: Mutex::new(Ok(())),
            record: Mutex::new(Ok(())),
        })
    }

    fn invite(&self, address: SocketAddr, state: Invited) -> Invitation {
        let secret = Secret::generate().unwrap();
        self.invitations.lock().unwrap().insert(secret.hash(), state);
        let ca_sha256 = self.ca.facts().fingerprint;
        Invitation { address: address.to_string().parse().unwrap(), ca_sha256, secret }
    }

    fn issue(&self, key: &PublicKey, at: SystemTime) -> Issued {
        let certificate = self.ca.issue_client(key, ("1", "alice"), PERSON, at).unwrap();
        let entry = (certificate.facts.clone(), certificate.pem.clone());
        self.issued.lock().unwrap().push(entry);
        let identity = Name::parse("alice").unwrap();
        Issued { certificate, identity, ca: self.ca.pem().to_owned() }
    }

    /// Credentials as of `age` ago.
    fn credentials(&self, age: Duration) -> Credentials {
        let key = Key::generate().unwrap();
        let issued = self.issue(&key.public(), SystemTime::now() - age);
        let (cert, key) = (issued.certificate.pem, key.to_pem().to_string());
        Credentials { ca: issued.ca, cert, key }
    }

    fn doors(&self) -> Doors {
        let key = Key::generate().unwrap();
        let now = SystemTime::now();
        let cert = self.ca.issue_server(&key.public(), &self.hostnames, 90 * DAY, now).unwrap();
        let key = rustls::pki_types::pem::PemObject::from_pem_slice(key.to_pem().as_bytes());
        let material = Material {
            chain: vec![cert.facts.der, self.ca.facts().der.clone()],
            key: key.unwrap(),
            own_cas: vec![self.ca.facts().der.clone()],
            outside_cas: vec![],
            outside_crls: vec![],
        };
        let held = self.issued.lock().unwrap();
        let alice = Identity {
            id: IdentityId("1".to_owned()),
            name: Name::parse("alice").unwrap(),
            kind: crate::state::Kind::Person,
            roles: vec![],
            from: vec![],
            ttl: None,
            created: SystemTime::now(),
            revoked: None,
            certificates: held
                .iter()
                .map(|(facts, _)| Certificate {
                    serial: facts.serial.clone(),
                    fingerprint: facts.fingerprint,
                    ca: self.ca.facts().fingerprint,
                    not_before: facts.not_before,
                    not_after: facts.not_after,
                    revoked: None,
                    reason: None,
                })
                .collect(),
            matches: vec![],
        };
        let tls = config::Tls { allow_tls12: false, hostnames: vec![], outside: None };
        let identities = Arc::new(Identities::new(vec![alice], None));
        Doors::build(&material, &tls, identities).unwrap()
    }

    /// Serves on loopback for as long as the test runs; answers each handshake's fate.
    async fn serve(self: &Arc<Self>) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (gate, door) = (self.clone(), Arc::new(Enrolment::new(self.clone())));
        let (told, fates) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (tcp, peer) = listener.accept().await.unwrap();
                let opened = gate.doors().open(tcp).await;
                let _ = told.send(opened.is_ok());
                if let Ok(Door::Enrol(tls, _)) = opened {
                    let leaf = tls.get_ref().1.peer_certificates().map(|chain| chain[0].clone());
                    tokio::spawn({
                        let door = door.clone();
                        async move { door.serve(tls, peer, leaf).await }
                    });
                }
            }
        });
        (address, fates)
    }

    fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock().unwrap())
    }
}

impl Desk for Gate {
    fn join(
        &self,
        secret_hash: &[u8; 32],
        key: &PublicKey,
        now: SystemTime,
    ) -> Result<Issued, Refused> {
        self.clock.lock().unwrap().clone()?;
        let mut invitations = self.invitations.lock().unwrap();
        let state = invitations.get_mut(secret_hash).ok_or(Refused::InvitationUnknown)?;
        match *state {
            Invited::Expired => Err(Refused::InvitationExpired),
            Invited::Revoked => Err(Refused::InvitationRevoked),
            Invited::Used(by) if by != key.spki() => Err(Refused::InvitationUsed),
            Invited::Used(_) => {
                let issued = self.issued.lock().unwrap();
                let (facts, pem) =
                    issued.iter().find(|(facts, _)| facts.spki == key.spki()).unwrap().clone();
                let identity = Name::parse("alice").unwrap();
                let certificate = crate::pki::Issued { pem, facts };
                Ok(Issued { certificate, identity, ca: self.ca.pem().to_owned() })
            }
            Invited::Open => {
                *state = Invited::Used(key.spki());
                Ok(self.issue(key, now))
            }
        }
    }

    fn renew(&self, present: &Facts, key: &PublicKey, now: SystemTime) -> Result<Issued, Refused> {
        self.clock.lock().unwrap().clone()?;
        let known = self.issued.lock().unwrap().iter().any(|(facts, _)| facts == present);
        if known { Ok(self.issue(key, now)) } else { Err(Refused::CertificateRevoked) }
    }

    fn record(&self, what: &'static str, detail: Value) -> Result<(), CannotRecord> {
        let full = |()| std::io::Error::from(std::io::ErrorKind::StorageFull);
        (*self.record.lock().unwrap()).map_err(full)?;
        let why = detail["reason"].as_str().or(detail["identity"].as_str()).unwrap_or_default();
        self.events.lock().unwrap().push(format!("{what}: {why}"));
        Ok(())
    }

    fn count_stranger(&self, address: IpAddr) {
        self.strangers.lock().unwrap().push(address);
    }
}

fn new_key() -> Key {
    Key::generate().unwrap()
}

fn refusal(result: Result<Grant, Failure>) -> (Code, String) {
    match result {
        Err(Failure::Refused { code, message, .. }) => (code, message),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_invitation_gets_its_key_certified() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let key = Key::generate().unwrap();
    let invitation = gate.invite(address, Invited::Open);
    let grant = client::join(&invitation, &key).await.unwrap();
    assert_eq!(grant.identity.as_str(), "alice");
    assert_eq!(grant.ca, gate.ca.pem());
    let facts = Facts::from_pem(&grant.certificate).unwrap();
    assert_eq!(facts.spki, key.public().spki());
    assert_eq!(grant.ends(), facts.not_after);
    assert_eq!(gate.events(), ["enrol.join: alice"]);
}

#[tokio::test]
async fn an_invitation_is_for_one_key_which_may_ask_again() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let invitation = gate.invite(address, Invited::Open);
    let key = new_key();
    let first = client::join(&invitation, &key).await.unwrap();
    assert_eq!(client::join(&invitation, &key).await.unwrap(), first);
    assert_eq!(refusal(client::join(&invitation, &new_key()).await).0, Code::Invitation);
}

#[tokio::test]
async fn every_bad_invitation_is_refused_alike_and_recorded_for_what_it_is() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let cases = [
        (Invited::Expired, "enrol.refused: the invitation has expired"),
        (Invited::Revoked, "enrol.refused: the invitation is revoked"),
        (Invited::Used([0; 32]), "enrol.refused: the invitation was used before, with another key"),
    ];
    let unknown =
        Invitation { secret: Secret::generate().unwrap(), ..gate.invite(address, Invited::Open) };
    let told_to_strangers = refusal(client::join(&unknown, &new_key()).await);
    assert_eq!(told_to_strangers.0, Code::Invitation);
    assert_eq!(*gate.strangers.lock().unwrap(), [address.ip()]);
    assert!(gate.events().is_empty());
    for (state, recorded) in cases {
        let invitation = gate.invite(address, state);
        let told = refusal(client::join(&invitation, &new_key()).await);
        assert_eq!(told, told_to_strangers, "{recorded}");
        assert_eq!(gate.events(), [recorded]);
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_gate_of_another_ca() {
    let (real, impostor) = (Gate::new(), Gate::new());
    let (address, mut fates) = impostor.serve().await;
    let invitation = real.invite(address, Invited::Open);
    let failure = client::join(&invitation, &new_key()).await.unwrap_err();
    assert!(matches!(failure, Failure::WrongCa(_)), "{failure}");
    // The handshake never finished, so no byte of a request can have come.
    assert_eq!(fates.recv().await, Some(false));
}

#[tokio::test]
async fn showing_the_right_ca_without_a_certificate_from_it_is_not_enough() {
    let (real, impostor) = (Gate::new(), Gate::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let key = Key::generate().unwrap();
    let names = ["127.0.0.1".to_owned()];
    let now = SystemTime::now();
    let forged = impostor.ca.issue_server(&key.public(), &names, DAY, now).unwrap();
    let material = Material {
        chain: vec![forged.facts.der, impostor.ca.facts().der.clone(), real.ca.facts().der.clone()],
        key: rustls::pki_types::pem::PemObject::from_pem_slice(key.to_pem().as_bytes()).unwrap(),
        own_cas: vec![impostor.ca.facts().der.clone()],
        outside_cas: vec![],
        outside_crls: vec![],
    };
    let tls = config::Tls { allow_tls12: false, hostnames: vec![], outside: None };
    let doors = Doors::build(&material, &tls, Arc::default()).unwrap();
    let opened = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        doors.open(tcp).await.is_ok()
    });
    let invitation = real.invite(address, Invited::Open);
    let failure = client::join(&invitation, &new_key()).await.unwrap_err();
    assert!(matches!(failure, Failure::WrongCa(_)), "{failure}");
    assert!(!opened.await.unwrap());
}

#[tokio::test]
async fn a_gate_whose_certificate_is_for_another_host_is_not_believed() {
    let gate = Gate::named(&["elsewhere.example.com"]);
    let (address, mut fates) = gate.serve().await;
    let invitation = gate.invite(address, Invited::Open);
    let failure = client::join(&invitation, &new_key()).await.unwrap_err();
    assert!(matches!(failure, Failure::GateCertificate { .. }), "{failure}");
    assert_eq!(fates.recv().await, Some(false));
}

#[tokio::test]
async fn what_else_may_answer_is_told_apart() {
    let gate = Gate::new();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let failure = client::join(&gate.invite(closed, Invited::Open), &new_key()).await.unwrap_err();
    assert!(matches!(failure, Failure::Io { doing: "connect to", .. }), "{failure}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let _ = tcp.read(&mut [0; 64]).await;
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    });
    let failure = client::join(&gate.invite(plain, Invited::Open), &new_key()).await.unwrap_err();
    assert!(matches!(failure, Failure::NotTls(_)), "{failure}");
}

#[tokio::test]
async fn a_renewal_comes_after_two_thirds_of_the_lifetime() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let address: Address = address.to_string().parse().unwrap();

    let early = gate.credentials(10 * DAY);
    let refused = client::renew(&address, &early, &new_key()).await;
    let Err(Failure::Refused { code: Code::TooEarly, from: Some(from), .. }) = refused else {
        panic!("{refused:?}");
    };
    let left = from.duration_since(SystemTime::now()).unwrap();
    assert!(left > 9 * DAY && left < 10 * DAY, "{left:?}");

    let due = gate.credentials(21 * DAY);
    let key = Key::generate().unwrap();
    gate.events();
    let grant = client::renew(&address, &due, &key).await.unwrap();
    let facts = Facts::from_pem(&grant.certificate).unwrap();
    assert_eq!(facts.spki, key.public().spki());
    assert!(facts.not_after > SystemTime::now() + 29 * DAY);
    assert_eq!(gate.events(), ["enrol.renew: alice"]);

    let same_key = Key::from_pem(&due.key).unwrap();
    client::renew(&address, &due, &same_key).await.unwrap();
}

#[tokio::test]
async fn what_was_revoked_or_has_expired_is_not_renewed() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let address: Address = address.to_string().parse().unwrap();
    let expired = gate.credentials(31 * DAY);
    let revoked = gate.credentials(21 * DAY);
    gate.issued.lock().unwrap().retain(|(_, pem)| *pem != revoked.cert);
    for refused in [expired, revoked] {
        let failure = client::renew(&address, &refused, &new_key()).await.unwrap_err();
        assert!(matches!(failure, Failure::Rejected(_)), "{failure:?}");
    }
}

#[tokio::test]
async fn a_renewal_without_a_certificate_gets_nowhere() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    // A join that asks for a renewal: no certificate is shown in the handshake.
    let invitation = gate.invite(address, Invited::Open);
    let tls = client::connect_anonymously(&invitation).await.unwrap();
    let refused = client::ask(tls, &invitation.address, "/renew", &csr_only()).await;
    assert_eq!(refusal(refused).0, Code::Certificate);
}

fn csr_only() -> Value {
    serde_json::json!({ "csr": new_key().request().unwrap() })
}

#[tokio::test]
async fn nothing_is_issued_while_the_clock_is_behind_or_the_record_fails() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let invitation = gate.invite(address, Invited::Open);
    let key = new_key();
    *gate.clock.lock().unwrap() = Err(Refused::Clock);
    assert_eq!(refusal(client::join(&invitation, &key).await).0, Code::Clock);
    *gate.clock.lock().unwrap() = Ok(());
    *gate.record.lock().unwrap() = Err(());
    assert_eq!(refusal(client::join(&invitation, &key).await).0, Code::Unavailable);
    *gate.record.lock().unwrap() = Ok(());
    client::join(&invitation, &key).await.unwrap();
}

#[tokio::test]
async fn who_fails_too_often_is_not_heard_for_a_while() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let good = gate.invite(address, Invited::Open);
    let bad = Invitation { secret: Secret::generate().unwrap(), ..good.clone() };
    for _ in 0..10 {
        assert_eq!(refusal(client::join(&bad, &new_key()).await).0, Code::Invitation);
    }
    assert_eq!(refusal(client::join(&bad, &new_key()).await).0, Code::Busy);
    assert_eq!(refusal(client::join(&good, &new_key()).await).0, Code::Busy);
}

#[tokio::test]
async fn what_is_not_a_request_of_ours_is_refused() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let invitation = gate.invite(address, Invited::Open);
    let secret = invitation.secret.expose();
    for (path, body) in [
        ("/", serde_json::json!({})),
        ("/v1.41/containers/json", serde_json::json!({})),
        ("/join", serde_json::json!({ "secret": secret })),
        (
            "/join",
            serde_json::json!({ "secret": secret, "csr": new_key().request().unwrap(), "role": "admin" }),
        ),
        ("/join", serde_json::json!({ "secret": secret, "csr": "not a request" })),
        ("/join", serde_json::json!({ "secret": secret, "csr": "A".repeat(70_000) })),
    ] {
        let tls = client::connect_anonymously(&invitation).await.unwrap();
        let refused = client::ask(tls, &invitation.address, path, &body).await;
        assert_eq!(refusal(refused).0, Code::Request, "{path} {body:.60}");
    }
    // None of them has spent the invitation.
    client::join(&invitation, &new_key()).await.unwrap();
}

async fn seawall(args: &[&str]) -> bool {
    let args: Vec<_> = ["seawall"].iter().chain(args).map(std::ffi::OsString::from).collect();
    let code = tokio::task::spawn_blocking(|| crate::cli::run(args)).await.unwrap();
    format!("{code:?}") == format!("{:?}", std::process::ExitCode::SUCCESS)
}

#[tokio::test]
async fn join_makes_a_context_and_renew_keeps_it_alive() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let dir = tempfile::tempdir().unwrap();
    let docker = dir.path().to_str().unwrap();
    let place = Place::Context { docker_config: docker.into(), name: "prod".parse().unwrap() };
    let to = ["--docker-config", docker];
    let invitation = gate.invite(address, Invited::Open).to_string();
    assert!(seawall(&[&["join", &invitation, "--name", "prod", "--use"], &to[..]].concat()).await);

    let alice = place.enrolled().unwrap().unwrap();
    assert_eq!(alice.address.to_string(), address.to_string());
    assert_eq!(alice.identity.as_str(), "alice");
    let config = std::fs::read_to_string(dir.path().join("config.json")).unwrap();
    assert!(config.contains(r#""currentContext": "prod""#), "{config}");

    let fresh = place.credentials().unwrap();
    let renew = async |args: &[&str]| seawall(&[&["renew"], args, &to[..]].concat()).await;
    assert!(!renew(&[]).await, "too early");
    assert!(renew(&["--all", "--if-due"]).await);
    assert_eq!(place.credentials().unwrap(), fresh);

    let due = gate.credentials(21 * DAY);
    place.install(&Owner::Current, &alice, &due, Overwrite::Own).unwrap();
    assert!(renew(&["--all", "--if-due"]).await);
    let renewed = place.credentials().unwrap();
    assert_ne!(renewed.cert, due.cert);
    assert_ne!(renewed.key, due.key);
    let key = Key::from_pem(&renewed.key).unwrap();
    assert_eq!(Facts::from_pem(&renewed.cert).unwrap().spki, key.public().spki());
}

#[tokio::test]
async fn a_folder_for_docker_cert_path_is_joined_and_renewed_with_its_key() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let dir = tempfile::tempdir().unwrap();
    let place = Place::Folder(dir.path().to_owned());
    let to = ["--cert-path", dir.path().to_str().unwrap()];
    let invitation = gate.invite(address, Invited::Open).to_string();
    assert!(seawall(&[&["join", &invitation], &to[..]].concat()).await);
    let alice = place.enrolled().unwrap().unwrap();

    let due = gate.credentials(21 * DAY);
    place.install(&Owner::Current, &alice, &due, Overwrite::Own).unwrap();
    assert!(seawall(&[&["renew"], &to[..]].concat()).await);
    let renewed = place.credentials().unwrap();
    assert_ne!(renewed.cert, due.cert);
    assert_eq!(renewed.key, due.key);
}

#[tokio::test]
async fn a_join_that_lost_its_answer_can_be_run_again() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let dir = tempfile::tempdir().unwrap();
    let invitation = gate.invite(address, Invited::Open).to_string();
    let docker = dir.path().to_str().unwrap();
    let join = ["join", &invitation, "--docker-config", docker];
    // The invitation is spent, but the answer does not come: the gate cannot record it.
    *gate.record.lock().unwrap() = Err(());
    assert!(!seawall(&join).await);
    assert_eq!(gate.issued.lock().unwrap().len(), 1);
    *gate.record.lock().unwrap() = Ok(());
    assert!(seawall(&join).await);
    assert_eq!(gate.issued.lock().unwrap().len(), 1);
    // Nothing of it is left, the key of the attempt least of all.
    let left = std::fs::read_dir(dir.path().join("contexts")).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["meta", "tls"]);
}

#[tokio::test]
async fn an_invitation_is_not_spent_on_a_place_that_is_taken() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let dir = tempfile::tempdir().unwrap();
    let taken = Place::Context { docker_config: dir.path().into(), name: "prod".parse().unwrap() };
    let other = Enrolled {
        address: "other.example.com:2376".parse().unwrap(),
        identity: Name::parse("alice").unwrap(),
    };
    let theirs = gate.credentials(DAY);
    taken.install(&Owner::Current, &other, &theirs, Overwrite::Own).unwrap();
    let issued = gate.issued.lock().unwrap().len();
    let invitation = gate.invite(address, Invited::Open).to_string();
    let docker = dir.path().to_str().unwrap();
    let join = ["join", &invitation, "--docker-config", docker, "--name", "prod"];
    assert!(!seawall(&join).await);
    assert_eq!(gate.issued.lock().unwrap().len(), issued);
    assert_eq!(taken.credentials().unwrap(), theirs);
    assert!(seawall(&[&join[..], &["--force"]].concat()).await);
    assert_ne!(taken.credentials().unwrap(), theirs);
}
