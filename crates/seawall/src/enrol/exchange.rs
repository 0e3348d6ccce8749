//! Both sides against each other, over real TLS and the gate's own doors.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use seawall_rules::identity::Name;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::client::{self, Failure};
use super::invitation::{Address, Invitation, Secret};
use super::owner::Owner;
use super::place::{Credentials, Enrolled, Overwrite, Place};
use super::server::{Desk, Enrolment};
use super::wire::{Code, Grant, SshDoor};
use crate::audit::CannotRecord;
use crate::authenticate::identities::Identities;
use crate::authenticate::tls::{Door, Doors, Material};
use crate::config::{self, EnrolmentLimits};
use crate::metrics::Limit;
use crate::pki::{Ca, Facts, Key, Reason};
use crate::state::{Identity, IdentityId, Kind, Lock, Store};

const SSH_KEY: &str = "ssh-ed25519 \
    AAAAC3NzaC1lZDI1NTE5AAAAIOZBJH5ykgkIwx60t6dCuO/+wUp6hhTa94fHvBZK1R5i";
const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

/// A gate with its store, its doors and one identity, `alice`; only its record is in memory.
struct Gate {
    store: Mutex<Store>,
    ca: Facts,
    alice: IdentityId,
    hostnames: Vec<String>,
    events: Mutex<Vec<String>>,
    strangers: Mutex<Vec<IpAddr>>,
    record: Mutex<Result<(), ()>>,
    limits: EnrolmentLimits,
    hits: Mutex<Vec<Limit>>,
    aged: Vec<Credentials>,
    _dir: tempfile::TempDir,
}

impl Gate {
    fn new() -> Arc<Self> {
        Self::with("127.0.0.1", &[])
    }

    /// One that issued certificates to alice this many days ago, the oldest first.
    fn aged(days: &[u32]) -> Arc<Self> {
        Self::with("127.0.0.1", days)
    }

    fn with(hostname: &str, ages: &[u32]) -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::create(Lock::take(&dir.path().join("state")).unwrap()).unwrap();
        let now = SystemTime::now();
        let ca = Ca::create("test", now - 100 * DAY).unwrap();
        store.activate(&ca, now - 100 * DAY).unwrap();
        let alice = Identity {
            id: IdentityId(String::new()),
            name: Name::parse("alice").unwrap(),
            kind: Kind::Person,
            roles: vec![],
            from: vec!["127.0.0.0/8".parse().unwrap()],
            ttl: None,
            created: now,
            revoked: None,
            certificates: vec![],
            matches: vec![],
            ssh_keys: vec![],
            sshd: false,
            group: None,
        };
        let alice = store.add_identity(&alice, now).unwrap();
        let issue = |&age: &u32| {
            let key = new_key();
            let issued = store.issue(&alice, &key.public(), None, now - DAY * age).unwrap();
            let (cert, key) = (issued.certificate, key.to_pem().to_string());
            Credentials { ca: issued.ca, cert, key }
        };
        let aged = ages.iter().map(issue).collect();
        Arc::new(Self {
            ca: ca.facts().clone(),
            store: Mutex::new(store),
            alice,
            hostnames: vec![hostname.to_owned()],
            events: Mutex::default(),
            strangers: Mutex::default(),
            record: Mutex::new(Ok(())),
            limits: EnrolmentLimits {
                time: Duration::from_secs(15),
                bytes: 64 * 1024,
                failures: 200,
                failures_per_address: 10,
                invitation_attempts: 10,
                certificates_per_hour: 20,
            },
            hits: Mutex::default(),
            aged,
            _dir: dir,
        })
    }

    fn invite(&self, address: SocketAddr) -> Invitation {
        self.invite_at(address, SystemTime::now())
    }

    fn invite_at(&self, address: SocketAddr, at: SystemTime) -> Invitation {
        let secret = Secret::generate().unwrap();
        self.store().create_invitation(&self.alice, &secret.hash(), 15 * MINUTE, at).unwrap();
        let address = address.to_string().parse().unwrap();
        Invitation { address, ca_sha256: self.ca.fingerprint, secret }
    }

    fn issued(&self) -> usize {
        self.store().identity_by_id(&self.alice).unwrap().unwrap().certificates.len()
    }

    fn doors(&self) -> Doors {
        let now = SystemTime::now();
        let shown = self.store().ensure_server_certificate(&self.hostnames, now).unwrap();
        let certificates = |pem: &str| {
            let all = CertificateDer::pem_slice_iter(pem.as_bytes());
            all.collect::<Result<Vec<_>, _>>().unwrap()
        };
        let material = Material {
            chain: certificates(&shown.chain),
            key: PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap(),
            own_cas: certificates(&self.store().bundle().unwrap()),
            outside_cas: vec![],
            outside_crls: vec![],
        };
        doors(&material, self.store().identities(now).unwrap())
    }

    /// Serves on loopback for as long as the test runs; tells whether each handshake succeeded.
    async fn serve(self: &Arc<Self>) -> (SocketAddr, UnboundedReceiver<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (gate, enrolment) = (self.clone(), Arc::new(Enrolment::default()));
        let (told, fates) = unbounded_channel();
        drop(gate.doors()); // Makes the certificate that is shown.
        tokio::spawn(async move {
            loop {
                let (tcp, peer) = listener.accept().await.unwrap();
                let opened = gate.doors().open(tcp).await;
                // Most tests do not listen.
                let _ = told.send(opened.is_ok());
                if let Ok(Door::Enrol(tls, present)) = opened {
                    let (gate, enrolment) = (gate.clone(), enrolment.clone());
                    tokio::spawn(async move { enrolment.serve(&gate, tls, peer, present).await });
                }
            }
        });
        (address, fates)
    }

    fn hits(&self) -> Vec<Limit> {
        std::mem::take(&mut self.hits.lock().unwrap())
    }

    fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock().unwrap())
    }
}

impl Desk for Gate {
    fn limits(&self) -> EnrolmentLimits {
        self.limits
    }

    fn limit_hit(&self, limit: Limit) {
        self.hits.lock().unwrap().push(limit);
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    fn ssh(&self) -> Option<SshDoor> {
        Some(SshDoor { port: 2222, host_key: SSH_KEY.to_owned() })
    }

    fn publish(&self) -> Result<(), String> {
        Ok(()) // Every connection gets doors built for it.
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

fn doors(material: &Material, identities: Vec<Identity>) -> Doors {
    let tls = config::Tls { allow_tls12: false, hostnames: vec![], outside: None };
    Doors::build(
        material,
        &tls,
        Arc::new(Identities::new(identities, None, &seawall_rules::policy::Roles::built_in())),
    )
    .unwrap()
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
    let invitation = gate.invite(address);
    let grant = client::join(&invitation, &key, None).await.unwrap();
    assert_eq!(grant.identity.as_str(), "alice");
    assert_eq!(Facts::from_pem(&grant.ca).unwrap(), gate.ca);
    let facts = Facts::from_pem(&grant.certificate).unwrap();
    assert_eq!(facts.spki, key.public().spki());
    assert_eq!(grant.ends(), facts.not_after);
    assert_eq!(gate.events(), ["enrol.join: alice"]);
}

#[tokio::test]
async fn an_ssh_key_is_registered_with_the_invitation() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let line = format!("{SSH_KEY} alice@laptop");
    let (invitation, key) = (gate.invite(address), new_key());
    for refused in ["ssh-rsa AAAA", "ssh-dss AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----"] {
        assert_eq!(refusal(client::join(&invitation, &key, Some(refused)).await).0, Code::Request);
    }
    // None of them has spent it, or registered anything.
    assert!(gate.store().identity_by_id(&gate.alice).unwrap().unwrap().ssh_keys.is_empty());
    for _ in 0..2 {
        let grant = client::join(&invitation, &key, Some(&line)).await.unwrap();
        assert_eq!(grant.ssh, Some(SshDoor { port: 2222, host_key: SSH_KEY.to_owned() }));
    }
    let alice = gate.store().identity_by_id(&gate.alice).unwrap().unwrap();
    let [registered] = &alice.ssh_keys[..] else { panic!("{:?}", alice.ssh_keys) };
    assert_eq!((registered.key.as_str(), registered.comment.as_str()), (SSH_KEY, "alice@laptop"));
    // Without one, nothing is said of SSH.
    let plain = gate.invite(address);
    assert_eq!(client::join(&plain, &new_key(), None).await.unwrap().ssh, None);
    // A compromised key does not come back by an invitation.
    let fingerprint = registered.fingerprint;
    gate.store().revoke_ssh_key(&fingerprint, Reason::KeyCompromise, SystemTime::now()).unwrap();
    let again = client::join(&gate.invite(address), &new_key(), Some(&line)).await;
    assert_eq!(refusal(again).0, Code::Request);
}

#[tokio::test]
async fn an_invitation_is_for_one_key_which_may_ask_again() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let invitation = gate.invite(address);
    let key = new_key();
    for _ in 0..2 {
        client::join(&invitation, &key, None).await.unwrap();
        assert_eq!(refusal(client::join(&invitation, &new_key(), None).await).0, Code::Invitation);
    }
}

#[tokio::test]
async fn every_bad_invitation_is_refused_alike_and_recorded_for_what_it_is() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let now = SystemTime::now();
    let unknown = Invitation { secret: Secret::generate().unwrap(), ..gate.invite(address) };
    let told_to_strangers = refusal(client::join(&unknown, &new_key(), None).await);
    assert_eq!(told_to_strangers.0, Code::Invitation);
    assert_eq!(*gate.strangers.lock().unwrap(), [address.ip()]);
    assert!(gate.events().is_empty());

    let expired = gate.invite_at(address, now - 16 * MINUTE);
    let revoked = gate.invite(address);
    let newest = gate.store().invitations(now).unwrap();
    let open = newest.iter().filter(|invited| invited.expires > now);
    for invited in open {
        gate.store().revoke_invitation(&invited.id, now).unwrap();
    }
    let used = gate.invite(address);
    gate.store().use_invitation(&used.secret.hash(), &[0; 32], 10, now).unwrap();
    for (invitation, recorded) in [
        (expired, "enrol.refused: the invitation has expired"),
        (revoked, "enrol.refused: the invitation is revoked"),
        (used, "enrol.refused: the invitation was used before, with another key"),
    ] {
        let told = refusal(client::join(&invitation, &new_key(), None).await);
        assert_eq!(told, told_to_strangers, "{recorded}");
        assert_eq!(gate.events(), [recorded]);
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_gate_of_another_ca() {
    let (real, impostor) = (Gate::new(), Gate::new());
    let (address, mut fates) = impostor.serve().await;
    let invitation = real.invite(address);
    let failure = client::join(&invitation, &new_key(), None).await.unwrap_err();
    assert!(matches!(failure, Failure::WrongCa(_)), "{failure}");
    // The handshake never finished, so no byte of a request can have come.
    assert_eq!(fates.recv().await, Some(false));
}

#[tokio::test]
async fn showing_the_right_ca_without_a_certificate_from_it_is_not_enough() {
    let real = Gate::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let key = new_key();
    let names = ["127.0.0.1".to_owned()];
    let now = SystemTime::now();
    let forger = Ca::create("test", now).unwrap();
    let forged = forger.issue_server(&key.public(), &names, DAY, now).unwrap();
    let material = Material {
        chain: vec![forged.facts.der, forger.facts().der.clone(), real.ca.der.clone()],
        key: PrivateKeyDer::from_pem_slice(key.to_pem().as_bytes()).unwrap(),
        own_cas: vec![forger.facts().der.clone()],
        outside_cas: vec![],
        outside_crls: vec![],
    };
    let doors = doors(&material, vec![]);
    let opened = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        doors.open(tcp).await.is_ok()
    });
    let invitation = real.invite(address);
    let failure = client::join(&invitation, &new_key(), None).await.unwrap_err();
    assert!(matches!(failure, Failure::WrongCa(_)), "{failure}");
    assert!(!opened.await.unwrap());
}

#[tokio::test]
async fn a_gate_whose_certificate_is_for_another_host_is_not_believed() {
    let gate = Gate::with("elsewhere.example.com", &[]);
    let (address, mut fates) = gate.serve().await;
    let invitation = gate.invite(address);
    let failure = client::join(&invitation, &new_key(), None).await.unwrap_err();
    assert!(matches!(failure, Failure::GateCertificate { .. }), "{failure}");
    assert_eq!(fates.recv().await, Some(false));
}

#[tokio::test]
async fn what_else_may_answer_is_told_apart() {
    let gate = Gate::new();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let failure = client::join(&gate.invite(closed), &new_key(), None).await.unwrap_err();
    assert!(matches!(failure, Failure::Io { doing: "connect to", .. }), "{failure}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let _ = tcp.read(&mut [0; 64]).await;
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    });
    let failure = client::join(&gate.invite(plain), &new_key(), None).await.unwrap_err();
    assert!(matches!(failure, Failure::NotTls(_)), "{failure}");
}

#[tokio::test]
async fn a_renewal_comes_after_two_thirds_of_the_lifetime() {
    let gate = Gate::aged(&[21, 10]);
    let [due, early] = &gate.aged[..] else { unreachable!() };
    let (address, _fates) = gate.serve().await;
    let address: Address = address.to_string().parse().unwrap();

    let refused = client::renew(&address, early, &new_key()).await;
    let Err(Failure::Refused { code: Code::TooEarly, from: Some(from), .. }) = refused else {
        panic!("{refused:?}");
    };
    let left = from.duration_since(SystemTime::now()).unwrap();
    assert!(left > 9 * DAY && left < 10 * DAY, "{left:?}");
    gate.events();

    let key = new_key();
    let grant = client::renew(&address, due, &key).await.unwrap();
    let facts = Facts::from_pem(&grant.certificate).unwrap();
    assert_eq!(facts.spki, key.public().spki());
    assert!(facts.not_after > SystemTime::now() + 29 * DAY);
    assert_eq!(gate.events(), ["enrol.renew: alice"]);

    let same_key = Key::from_pem(&due.key).unwrap();
    client::renew(&address, due, &same_key).await.unwrap();
}

#[tokio::test]
async fn what_was_revoked_or_has_expired_is_not_renewed() {
    let gate = Gate::aged(&[31, 21]);
    let (address, _fates) = gate.serve().await;
    let address: Address = address.to_string().parse().unwrap();
    let serial = Facts::from_pem(&gate.aged[1].cert).unwrap().serial;
    let now = SystemTime::now();
    gate.store().revoke_certificate(&serial, Reason::default(), now).unwrap();
    for refused in &gate.aged {
        let failure = client::renew(&address, refused, &new_key()).await.unwrap_err();
        assert!(matches!(failure, Failure::Rejected(_)), "{failure:?}");
    }
}

#[tokio::test]
async fn an_old_certificate_cannot_fill_the_store() {
    let gate = Gate::aged(&[21]);
    let (address, _fates) = gate.serve().await;
    let address: Address = address.to_string().parse().unwrap();
    let key = new_key();
    for _ in 0..20 {
        client::renew(&address, &gate.aged[0], &key).await.unwrap();
    }
    assert_eq!(refusal(client::renew(&address, &gate.aged[0], &key).await).0, Code::Busy);
    assert_eq!(gate.issued(), 21);
    assert_eq!(gate.hits(), [Limit::CertificatesPerHour]);
}

#[tokio::test]
async fn an_identity_gets_nothing_where_it_may_not_come_from() {
    let gate = Gate::new();
    let mut alice = gate.store().identity_by_id(&gate.alice).unwrap().unwrap();
    alice.from = vec!["192.0.2.0/24".parse().unwrap()];
    gate.store().set_identity(&alice).unwrap();
    let (address, _fates) = gate.serve().await;
    let refused = refusal(client::join(&gate.invite(address), &new_key(), None).await);
    assert_eq!(refused.0, Code::Network);
    assert_eq!(gate.issued(), 0);
}

#[tokio::test]
async fn a_renewal_without_a_certificate_gets_nowhere() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    // A join that asks for a renewal: no certificate is shown in the handshake.
    let invitation = gate.invite(address);
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
    let invitation = gate.invite(address);
    let key = new_key();
    gate.store().clock_behind(SystemTime::now() + 10 * MINUTE).unwrap();
    assert_eq!(refusal(client::join(&invitation, &key, None).await).0, Code::Clock);
    gate.store().accept_clock(SystemTime::now()).unwrap();
    *gate.record.lock().unwrap() = Err(());
    assert_eq!(refusal(client::join(&invitation, &key, None).await).0, Code::Unavailable);
    *gate.record.lock().unwrap() = Ok(());
    client::join(&invitation, &key, None).await.unwrap();
}

#[tokio::test]
async fn who_fails_too_often_is_not_heard_for_a_while() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let good = gate.invite(address);
    let bad = Invitation { secret: Secret::generate().unwrap(), ..good.clone() };
    for _ in 0..10 {
        assert_eq!(refusal(client::join(&bad, &new_key(), None).await).0, Code::Invitation);
    }
    assert_eq!(gate.hits(), []);
    assert_eq!(refusal(client::join(&bad, &new_key(), None).await).0, Code::Busy);
    assert_eq!(refusal(client::join(&good, &new_key(), None).await).0, Code::Busy);
    assert_eq!(gate.hits(), [Limit::EnrolmentFailuresPerAddress; 2]);
}

#[tokio::test]
async fn what_is_not_a_request_of_ours_is_refused() {
    let gate = Gate::new();
    let (address, _fates) = gate.serve().await;
    let invitation = gate.invite(address);
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
    assert_eq!(gate.hits(), [Limit::EnrolmentBytes], "of the last one");
    // None of them has spent the invitation.
    client::join(&invitation, &new_key(), None).await.unwrap();
}

async fn seawall(args: &[&str]) -> bool {
    let args: Vec<_> = ["seawall"].iter().chain(args).map(std::ffi::OsString::from).collect();
    let code = tokio::task::spawn_blocking(|| crate::cli::run(args)).await.unwrap();
    format!("{code:?}") == format!("{:?}", std::process::ExitCode::SUCCESS)
}

#[tokio::test]
async fn join_makes_a_context_and_renew_keeps_it_alive() {
    let gate = Gate::aged(&[21]);
    let (address, _fates) = gate.serve().await;
    let dir = tempfile::tempdir().unwrap();
    let docker = dir.path().to_str().unwrap();
    let place = Place::Context { docker_config: docker.into(), name: "prod".parse().unwrap() };
    let to = ["--docker-config", docker];
    let invitation = gate.invite(address).to_string();
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

    let due = &gate.aged[0];
    let alice = Enrolled { ssh: Some(2222), ..alice };
    place.install(&Owner::Current, &alice, due, Overwrite::Own).unwrap();
    assert!(renew(&["--all", "--if-due"]).await);
    assert_eq!(place.enrolled().unwrap(), Some(alice), "docker still reaches it over SSH");
    let renewed = place.credentials().unwrap();
    assert_ne!(renewed.cert, due.cert);
    assert_ne!(renewed.key, due.key);
    let key = Key::from_pem(&renewed.key).unwrap();
    assert_eq!(Facts::from_pem(&renewed.cert).unwrap().spki, key.public().spki());
}

#[tokio::test]
async fn a_folder_for_docker_cert_path_is_joined_and_renewed_with_its_key() {
    let gate = Gate::aged(&[21]);
    let (address, _fates) = gate.serve().await;
    let dir = tempfile::tempdir().unwrap();
    let place = Place::Folder(dir.path().to_owned());
    let to = ["--cert-path", dir.path().to_str().unwrap()];
    let invitation = gate.invite(address).to_string();
    assert!(seawall(&[&["join", &invitation], &to[..]].concat()).await);
    let alice = place.enrolled().unwrap().unwrap();

    let due = &gate.aged[0];
    place.install(&Owner::Current, &alice, due, Overwrite::Own).unwrap();
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
    let invitation = gate.invite(address).to_string();
    let docker = dir.path().to_str().unwrap();
    let join = ["join", &invitation, "--docker-config", docker];
    // The invitation is spent, but the answer does not come: the gate cannot record it.
    *gate.record.lock().unwrap() = Err(());
    assert!(!seawall(&join).await);
    assert_eq!(gate.issued(), 1);
    *gate.record.lock().unwrap() = Ok(());
    assert!(seawall(&join).await);
    // Nothing of it is left, the key of the attempt least of all.
    let left = std::fs::read_dir(dir.path().join("contexts")).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["meta", "tls"]);
}

#[tokio::test]
async fn an_invitation_is_not_spent_on_a_place_that_is_taken() {
    let gate = Gate::aged(&[1]);
    let (address, _fates) = gate.serve().await;
    let dir = tempfile::tempdir().unwrap();
    let taken = Place::Context { docker_config: dir.path().into(), name: "prod".parse().unwrap() };
    let other = Enrolled {
        address: "other.example.com:2376".parse().unwrap(),
        identity: Name::parse("alice").unwrap(),
        ssh: None,
    };
    let theirs = gate.aged[0].clone();
    taken.install(&Owner::Current, &other, &theirs, Overwrite::Own).unwrap();
    let invitation = gate.invite(address).to_string();
    let docker = dir.path().to_str().unwrap();
    let join = ["join", &invitation, "--docker-config", docker, "--name", "prod"];
    assert!(!seawall(&join).await);
    assert_eq!(gate.issued(), 1);
    assert_eq!(taken.credentials().unwrap(), theirs);
    assert!(seawall(&[&join[..], &["--force"]].concat()).await);
    assert_ne!(taken.credentials().unwrap(), theirs);
}

#[tokio::test]
async fn while_the_ca_is_rotated_a_renewal_comes_at_any_time_and_brings_both_cas() {
    let gate = Gate::aged(&[10]);
    let (address, _fates) = gate.serve().await;
    let address: Address = address.to_string().parse().unwrap();
    let now = SystemTime::now();
    let new = Ca::create("test", now).unwrap();
    gate.store().activate(&new, now).unwrap();

    let key = new_key();
    let grant = client::renew(&address, &gate.aged[0], &key).await.unwrap();
    assert!(grant.ca.contains(new.pem()) && grant.ca.contains(gate.aged[0].ca.trim()));
    assert!(gate.store().not_renewed(now).unwrap().is_empty());

    // With the rotation finished, the gate shows a certificate that only the new bundle verifies.
    gate.store().retire(&gate.ca.fingerprint, now).unwrap();
    client::renew(&address, &gate.aged[0], &new_key()).await.unwrap_err();
    let renewed =
        Credentials { ca: grant.ca, cert: grant.certificate, key: key.to_pem().to_string() };
    let refused = client::renew(&address, &renewed, &new_key()).await;
    assert!(matches!(refused, Err(Failure::Refused { code: Code::TooEarly, .. })), "{refused:?}");
}
