//! Calls and their answers, as the commands see them.

use std::time::{Duration, SystemTime};

use super::super::{InvitedStanding, Lock};
use super::*;
use crate::pki::Key;

struct Fixture {
    store: Store,
    now: SystemTime,
    _dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(Lock::take(&dir.path().join("state")).unwrap()).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let mut fixture = Self { store, now, _dir: dir };
        fixture.ok(StateCall::SetUp {
            host: "gate.example".to_owned(),
            hostnames: vec!["gate.example".to_owned(), "127.0.0.1".to_owned()],
        });
        fixture
    }

    fn call(&mut self, call: StateCall) -> Result<Reply, report::Error> {
        execute(&mut self.store, call, &Roles::built_in(), self.now)
    }

    #[track_caller]
    fn ok(&mut self, call: StateCall) -> Reply {
        self.call(call).unwrap()
    }

    #[track_caller]
    fn refused(&mut self, call: StateCall) -> String {
        self.call(call).unwrap_err().to_string()
    }

    #[track_caller]
    fn add(&mut self, name: &str, role: &str) -> super::super::Credentials {
        match self.ok(add(name, role)) {
            Reply::Added { credentials: Some(credentials), .. } => credentials,
            other => panic!("{other:?}"),
        }
    }

    fn certificates(&self, name: &str) -> Vec<super::super::Certificate> {
        let all = self.store.identities(self.now).unwrap();
        let found = all.into_iter().find(|identity| identity.name.as_str() == name);
        found.map(|identity| identity.certificates).unwrap_or_default()
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn request() -> String {
    Key::generate().unwrap().request().unwrap()
}

fn add(who: &str, role: &str) -> StateCall {
    StateCall::AddIdentity {
        name: name(who),
        kind: super::super::Kind::Person,
        roles: vec![role.to_owned()],
        ttl: None,
        from: Vec::new(),
        matches: Vec::new(),
        ssh: SshChange::default(),
        group: None,
        request: Some(request()),
        invite: None,
    }
}

fn revoke(target: &str, force: Force) -> StateCall {
    StateCall::Revoke { target: target.to_owned(), reason: Reason::KeyCompromise, force }
}

#[test]
fn setting_up_twice_changes_nothing() {
    let mut gate = Fixture::new();
    let before = gate.store.server_certificate().unwrap().unwrap();
    let reply = gate.ok(StateCall::SetUp {
        host: "gate.example".to_owned(),
        hostnames: vec!["127.0.0.1".to_owned(), "Gate.Example".to_owned()],
    });
    let Reply::SetUp { made: Made::Before, hostnames, .. } = reply else { panic!("{reply:?}") };
    assert_eq!(hostnames, ["127.0.0.1", "gate.example"].map(str::to_owned).to_vec());
    assert_eq!(gate.store.server_certificate().unwrap().unwrap().chain, before.chain);
}

#[test]
fn an_identity_is_added_with_its_certificate_and_revoked_with_it() {
    let mut gate = Fixture::new();
    gate.add("root", "admin");
    let credentials = gate.add("alice", "viewer");
    assert_eq!(gate.certificates("alice"), vec![credentials.issued]);
    let reply = gate.ok(revoke("alice", Force::No));
    assert!(matches!(reply, Reply::Revoked { serial: None, before: None, .. }), "{reply:?}");
    assert!(gate.certificates("alice").is_empty());
    gate.now += Duration::from_secs(60);
    let again = gate.ok(revoke("alice", Force::No));
    assert!(matches!(again, Reply::Revoked { before: Some(_), .. }), "{again:?}");
}

#[test]
fn a_new_identity_of_an_old_name_inherits_nothing() {
    let mut gate = Fixture::new();
    gate.add("root", "admin");
    let old = gate.add("alice", "viewer");
    let id = gate.store.identity(&name("alice")).unwrap().unwrap().id;
    gate.ok(StateCall::RemoveIdentity { name: name("alice"), force: Force::No });
    let new = gate.add("alice", "operator");
    assert_ne!(gate.store.identity(&name("alice")).unwrap().unwrap().id, id);
    assert_eq!(gate.certificates("alice"), vec![new.issued]);
    let (owner, held) = gate.store.certificate(&old.issued.serial).unwrap().unwrap();
    assert_eq!(owner.id, id);
    assert!(held.revoked.is_some());
}

#[test]
fn revoking_by_serial_ends_one_certificate_only() {
    let mut gate = Fixture::new();
    let first = gate.add("alice", "admin");
    let Reply::Credentials(second) =
        gate.ok(StateCall::Issue { name: name("alice"), request: request() })
    else {
        panic!()
    };
    let serial = hex(&first.issued.serial).to_ascii_uppercase();
    gate.ok(revoke(&serial, Force::No));
    assert_eq!(gate.certificates("alice"), vec![second.issued]);
}

#[test]
fn the_last_admin_goes_only_by_force() {
    let mut gate = Fixture::new();
    gate.add("alice", "admin");
    let demote = |force| StateCall::SetIdentity {
        name: name("alice"),
        kind: None,
        roles: Some(vec!["viewer".to_owned()]),
        ttl: None,
        from: None,
        matches: None,
        ssh: SshChange::default(),
        group: None,
        force,
    };
    let expected = gate.refused(revoke("alice", Force::No));
    insta::assert_snapshot!(expected, @"
    error: `alice` is the last admin
    hint: add another one first, or do it all the same with `--force`
    hint: root on this host can always add an admin with `seawall identity add`
    ");
    let remove = StateCall::RemoveIdentity { name: name("alice"), force: Force::No };
    assert_eq!(gate.refused(remove), expected);
    assert_eq!(gate.refused(demote(Force::No)), expected);
    gate.add("bob", "admin");
    gate.ok(demote(Force::No));
    gate.ok(revoke("bob", Force::Yes));
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let mut gate = Fixture::new();
    gate.add("alice", "admin");
    let taken = gate.refused(add("alice", "viewer"));
    let role = gate.refused(add("bob", "viwer"));
    let far = gate.refused(add("bob", "king"));
    let missing = gate.refused(revoke("alise", Force::No));
    let nobody = gate.refused(revoke("7f\u{1b}[31m", Force::No));
    let mut short = add("bob", "viewer");
    if let StateCall::AddIdentity { ttl, .. } = &mut short {
        *ttl = Some(4);
    }
    let short = gate.refused(short);
    let junk = gate.refused(StateCall::Issue { name: name("alice"), request: "x".to_owned() });
    let all = [taken, role, far, missing, nobody, short, junk].join("\n");
    insta::assert_snapshot!(all, @r#"
    error: there is an identity `alice`
    hint: `seawall identity set alice` changes it
    hint: `seawall identity issue alice` gives it a new certificate
    error: there is no role `viwer`
    hint: did you mean `viewer`?
    error: there is no role `king`
    hint: the roles are viewer, read-only, operator, developer, deployer, traefik, prometheus and admin
    error: there is no identity `alise`
    hint: did you mean `alice`?
    error: there is no identity `7f\u{1b}[31m`
    hint: `seawall identity list` shows who there is
    error: certificates live for 5 seconds to 10 years
    error: this is not a PEM certificate request
    "#);
}

#[test]
fn a_refused_call_changes_nothing() {
    let mut gate = Fixture::new();
    let mut call = add("alice", "admin");
    if let StateCall::AddIdentity { request, .. } = &mut call {
        *request = Some("not a request".to_owned());
    }
    gate.refused(call);
    assert!(gate.store.identities(gate.now).unwrap().is_empty());
}

#[test]
fn nothing_is_issued_while_the_clock_is_behind() {
    let mut gate = Fixture::new();
    gate.add("alice", "admin");
    gate.now -= Duration::from_secs(3600);
    let issue = || StateCall::Issue { name: name("alice"), request: request() };
    insta::assert_snapshot!(gate.refused(issue()), @"
    error: the clock is 3600 s behind the latest time seen here
    hint: set the clock right
    hint: if it was ahead before and is right now, run `seawall ca accept-clock`
    ");
    gate.ok(revoke("alice", Force::Yes));
    gate.ok(StateCall::AcceptClock);
    gate.add("bob", "admin");
}

#[test]
fn an_invitation_is_for_one_key_which_may_come_again() {
    let mut gate = Fixture::new();
    gate.add("alice", "admin");
    let invite = |hash| StateCall::Invite {
        name: name("alice"),
        invite: Invite { secret_hash: [hash; 32], valid_for: 900 },
    };
    let Reply::Invitation(made) = gate.ok(invite(1)) else { panic!() };
    assert_eq!(made.ca, gate.store.active_authority().unwrap().fingerprint);
    let mut using = |hash, spki, now| {
        gate.store
            .use_invitation(&[hash; 32], &[spki; 32], 10, now)
            .map_err(|error| error.to_string())
    };
    let now = made.expires - Duration::from_secs(900);
    let id = using(1, 7, now).unwrap();
    assert_eq!(using(1, 7, now), Ok(id));
    assert_eq!(using(1, 8, now), Err("the invitation was already used".to_owned()));
    assert_eq!(using(2, 7, now), Err("there is no such invitation".to_owned()));
    // Ten attempts in all, the refused one included.
    for _ in 0..7 {
        using(1, 7, now).unwrap();
    }
    assert_eq!(using(1, 7, now), Err("the invitation was tried too often".to_owned()));

    let Reply::Invitation(second) = gate.ok(invite(3)) else { panic!() };
    gate.ok(StateCall::RevokeInvitation { id: second.id.clone() });
    let used = gate.store.use_invitation(&[3; 32], &[7; 32], 10, gate.now).unwrap_err();
    assert_eq!(used.to_string(), "the invitation was revoked");
    let Reply::Invitations(all) = gate.ok(StateCall::Invitations) else { panic!() };
    let standing = |id: &str| all.iter().find(|invited| invited.id == id).unwrap().standing;
    assert_eq!(standing(&second.id), InvitedStanding::Revoked);
    assert_eq!(standing(&made.id), InvitedStanding::Used);

    let Reply::Invitation(third) = gate.ok(invite(4)) else { panic!() };
    let used = gate.store.use_invitation(&[4; 32], &[7; 32], 10, third.expires).unwrap_err();
    assert_eq!(used.to_string(), "the invitation has expired");
}

#[test]
fn of_many_keys_that_use_an_invitation_at_once_one_gets_in() {
    let mut gate = Fixture::new();
    gate.add("alice", "admin");
    gate.ok(StateCall::Invite {
        name: name("alice"),
        invite: Invite { secret_hash: [1; 32], valid_for: 900 },
    });
    let now = gate.now;
    let store = std::sync::Mutex::new(gate.store);
    let start = std::sync::Barrier::new(4);
    let won = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|key| {
                let (store, start) = (&store, &start);
                scope.spawn(move || {
                    start.wait();
                    store.lock().unwrap().use_invitation(&[1; 32], &[key; 32], 10, now).is_ok()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|&won| won).count()
    });
    assert_eq!(won, 1);
}

#[test]
fn a_rotation_trusts_both_cas_until_it_is_finished() {
    let mut gate = Fixture::new();
    let old = gate.add("alice", "admin");
    let shown = gate.store.server_certificate().unwrap().unwrap();
    gate.ok(StateCall::RotateCa { host: "gate".to_owned() });
    insta::assert_snapshot!(gate.refused(StateCall::RotateCa { host: "gate".to_owned() }), @"
    error: a rotation has begun and is not finished
    hint: `seawall ca rotate --finish` ends it; `seawall ca show` says who is late
    ");
    // The old certificate still opens the gate, which still shows what alice can verify.
    assert_eq!(gate.certificates("alice").len(), 1);
    let hostnames = shown.hostnames.clone();
    let still = gate.store.ensure_server_certificate(&hostnames, gate.now).unwrap();
    assert_eq!(still.chain, shown.chain);

    insta::assert_snapshot!(gate.refused(StateCall::FinishRotation { force: Force::No }), @"
    error: not all have renewed: alice
    hint: they renew with `seawall renew --force`; `seawall ca show` lists them
    hint: `--force` shuts them out; they will need new certificates
    ");
    let id = gate.store.identity(&name("alice")).unwrap().unwrap().id;
    let public = PublicKey::from_request(&request()).unwrap();
    let new = gate.store.issue(&id, &public, Some(&old.issued.serial), gate.now).unwrap();
    assert_eq!(new.ca.matches("BEGIN CERTIFICATE").count(), 2);

    let reply = gate.ok(StateCall::FinishRotation { force: Force::No });
    let Reply::Authorities { authorities, not_renewed } = reply else { panic!() };
    let standings: Vec<_> = authorities.iter().map(|ca| ca.standing).collect();
    assert_eq!(standings, [Standing::Retired, Standing::Active]);
    assert!(not_renewed.is_empty());
    assert_eq!(gate.certificates("alice"), vec![new.issued]);
    let shown = gate.store.server_certificate().unwrap().unwrap();
    assert_eq!(shown.ca, gate.store.active_authority().unwrap().fingerprint);
    assert_eq!(gate.store.bundle().unwrap().matches("BEGIN CERTIFICATE").count(), 1);
}

#[test]
fn without_the_key_of_the_ca_nothing_is_signed_until_it_is_back() {
    let mut gate = Fixture::new();
    gate.add("alice", "admin");
    let Reply::Secret(key) = gate.ok(StateCall::CaKey { ca: None }) else { panic!() };
    gate.ok(StateCall::ForgetCaKey { ca: None });
    insta::assert_snapshot!(gate.refused(add("bob", "viewer")), @"
    error: the key of the CA is offline: nothing can be signed
    hint: bring it back with `seawall ca import --key FILE`
    ");
    let database = std::fs::read(gate.store.dir().join("seawall.db")).unwrap();
    let line = key.0.lines().nth(1).unwrap().as_bytes();
    assert!(!database.windows(line.len()).any(|window| window == line));
    let wrong = Secret(Key::generate().unwrap().to_pem().to_string());
    let import = |key| StateCall::ImportCa { certificate: None, key: Some(key) };
    let refused = gate.refused(import(wrong));
    assert_eq!(refused, "error: the key is not the key of this certificate");
    gate.ok(import(key));
    gate.add("bob", "viewer");
}

#[test]
fn matches_hold_under_the_outside_ca_they_were_made_for() {
    let mut gate = Fixture::new();
    let with_match = |who: &str| {
        let mut call = add(who, "admin");
        if let StateCall::AddIdentity { matches, .. } = &mut call {
            *matches = vec![Match::Cn("ci".to_owned())];
        }
        call
    };
    gate.ok(with_match("alice"));
    insta::assert_snapshot!(gate.refused(with_match("bob")), @"
    error: `alice` has the same match already
    hint: take it from `alice` first: `seawall identity set alice`
    ");
    let matches = |gate: &Fixture| gate.store.identities(gate.now).unwrap()[0].matches.clone();
    assert_eq!(matches(&gate), [Match::Cn("ci".to_owned())]);
    let outside = Ca::create("elsewhere", gate.now).unwrap();
    let import = StateCall::ImportCa { certificate: Some(outside.pem().to_owned()), key: None };
    gate.ok(import);
    assert!(matches(&gate).is_empty(), "a match made for another CA must not hold");
    gate.ok(StateCall::RemoveOutsideCa);
    assert_eq!(matches(&gate), [Match::Cn("ci".to_owned())]);
}

const KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOZBJH5ykgkIwx60t6dCuO/+wUp6hhTa94fHvBZK1R5i",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];

fn ssh(who: &str, add: &[&str], remove: &[&str]) -> StateCall {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    StateCall::SetIdentity {
        name: name(who),
        kind: None,
        roles: None,
        ttl: None,
        from: None,
        matches: None,
        ssh: SshChange { add: owned(add), remove: owned(remove), sshd: None },
        group: None,
        force: Force::No,
    }
}

fn live_keys(gate: &Fixture, who: &str) -> Vec<String> {
    let all = gate.store.identities(gate.now).unwrap();
    let found = all.into_iter().find(|identity| identity.name.as_str() == who).unwrap();
    found.ssh_keys.iter().map(|key| ssh_fingerprint(&key.fingerprint)).collect()
}

#[test]
fn an_ssh_key_is_one_identitys_and_goes_alone_or_with_it() {
    let mut gate = Fixture::new();
    gate.add("alice", "viewer");
    gate.add("bob", "viewer");
    let with_comment = format!("{} alice@laptop", KEYS[0]);
    gate.ok(ssh("alice", &[&with_comment, KEYS[1]], &[]));
    gate.ok(ssh("alice", &[KEYS[0]], &[]));
    let Some(identity) = gate.store.identity(&name("alice")).unwrap() else { panic!("no alice") };
    let comments: Vec<_> = identity.ssh_keys.iter().map(|key| key.comment.as_str()).collect();
    assert_eq!(comments, ["", "alice@laptop"], "registering again changes nothing");
    let [second, first]: [String; 2] = live_keys(&gate, "alice").try_into().unwrap();

    insta::assert_snapshot!(gate.refused(ssh("bob", &[KEYS[0]], &[])), @"
    error: the SSH key SHA256:smaBt7GrixmDrujprbOOJL6MZN4yUKYHL+LSYyvgCvA is registered with `alice`
    hint: one key is one identity: make another with `ssh-keygen -t ed25519`, or run `seawall identity set alice --remove-ssh-key SHA256:smaBt7GrixmDrujprbOOJL6MZN4yUKYHL+LSYyvgCvA` first
    ");
    gate.refused(ssh("bob", &[], &[&first]));
    gate.ok(ssh("alice", &[], &[&first]));
    assert_eq!(live_keys(&gate, "alice"), std::slice::from_ref(&second));
    insta::assert_snapshot!(gate.refused(ssh("alice", &[], &["SHA256:nonsense"])), @"
    error: no such SSH key is registered: `SHA256:nonsense`
    hint: `seawall identity show NAME` lists its keys
    ");

    // What was only taken away may be given to another.
    gate.ok(ssh("bob", &[KEYS[0]], &[]));
    assert_eq!(live_keys(&gate, "bob"), [first]);

    let reply = gate.ok(revoke(&second, Force::No));
    let Reply::Revoked { identity, ssh_key: Some(key), before: None, .. } = reply else {
        panic!("{reply:?}")
    };
    assert_eq!((identity.as_str(), &key), ("alice", &second));
    gate.ok(revoke("bob", Force::No));
    for who in ["alice", "bob"] {
        assert!(live_keys(&gate, who).is_empty());
    }
    insta::assert_snapshot!(gate.refused(ssh("alice", &[KEYS[1]], &[])), @"
    error: the SSH key SHA256:kmYcvdi2GkPeWxB6XLjrZB8JHsy2Hm8luHMFp9GMvqk of `alice` was revoked at 2027-01-15T08:00:00Z as compromised
    hint: make another with `ssh-keygen -t ed25519`
    ");
}

#[test]
fn an_ssh_principal_is_one_identitys_whatever_the_outside_ca() {
    let mut gate = Fixture::new();
    let mut call = add("alice", "viewer");
    if let StateCall::AddIdentity { matches, .. } = &mut call {
        *matches = vec![Match::SshPrincipal("alice".to_owned())];
    }
    gate.ok(call);
    let mut call = add("bob", "viewer");
    if let StateCall::AddIdentity { matches, .. } = &mut call {
        *matches = vec![Match::SshPrincipal("alice".to_owned())];
    }
    assert!(gate.refused(call).contains("`alice` has the same match"));
    let other = Ca::create("corp", gate.now).unwrap().pem().to_owned();
    gate.ok(StateCall::ImportCa { certificate: Some(other), key: None });
    let alice = gate.store.identity(&name("alice")).unwrap().unwrap();
    assert_eq!(alice.matches, [Match::SshPrincipal("alice".to_owned())]);
}
