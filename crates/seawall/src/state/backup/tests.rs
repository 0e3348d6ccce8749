use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::super::{Identity, IdentityId, InvitationRefused, Kind, Standing};
use super::*;
use crate::pki::{Ca, Facts, Key, Reason};

struct Gate {
    dir: tempfile::TempDir,
    now: SystemTime,
}

impl Gate {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let gate = Self { dir, now };
        let mut store = Store::create(gate.lock()).unwrap();
        store.activate(&Ca::create("gate", now).unwrap(), now).unwrap();
        gate
    }

    fn lock(&self) -> Lock {
        Lock::take(&self.dir.path().join("state")).unwrap()
    }

    fn store(&self) -> Store {
        Store::open(self.lock()).unwrap()
    }

    fn add(&self, name: &str) -> (IdentityId, Facts) {
        let mut store = self.store();
        let new = Identity {
            id: IdentityId(String::new()),
            name: name.parse().unwrap(),
            kind: Kind::Person,
            roles: vec!["viewer".to_owned()],
            from: Vec::new(),
            ttl: None,
            created: self.now,
            revoked: None,
            certificates: Vec::new(),
            matches: Vec::new(),
            ssh_keys: Vec::new(),
            sshd: false,
            group: None,
        };
        let id = store.add_identity(&new, self.now).unwrap();
        (id.clone(), self.issue(&mut store, &id))
    }

    fn issue(&self, store: &mut Store, id: &IdentityId) -> Facts {
        let key = Key::generate().unwrap().public();
        Facts::from_pem(&store.issue(id, &key, None, self.now).unwrap().certificate).unwrap()
    }

    fn backup(&self) -> Vec<u8> {
        self.store().backup().unwrap()
    }

    fn restore(&self, backup: &[u8]) -> Result<Store, report::Error> {
        restore(self.lock(), backup, Force::No, self.now)
    }

    /// The serials that open something, by name.
    fn live(&self, store: &Store) -> Vec<(String, Vec<u8>)> {
        let all = store.identities(self.now).unwrap();
        let each = |identity: Identity| {
            let name = identity.name.to_string();
            identity.certificates.into_iter().map(move |held| (name.clone(), held.serial))
        };
        all.into_iter().flat_map(each).collect()
    }
}

#[test]
fn a_backup_brings_everything_back_on_a_new_host() {
    let old = Gate::new();
    let (_, alice) = old.add("alice");
    let backup = old.backup();
    let new = tempfile::tempdir().unwrap();
    let dir = new.path().join("state");
    let store = restore(Lock::take(&dir).unwrap(), &backup, Force::No, old.now).unwrap();
    assert_eq!(old.live(&store), [("alice".to_owned(), alice.serial)]);
    store.signing_ca().unwrap();
    let mode = std::fs::metadata(database(&dir)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut left: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["lock", "seawall.db", "seawall.db-wal"]);
}

#[test]
fn what_was_revoked_since_stays_so() {
    let gate = Gate::new();
    let (_, first) = gate.add("alice");
    let (bob, _) = gate.add("bob");
    let (carol, _) = gate.add("carol");
    let backup = gate.backup();
    let mut store = gate.store();
    store.revoke_identity(&bob, Reason::KeyCompromise, gate.now).unwrap();
    store.remove_identity(&carol, Reason::Unspecified, gate.now).unwrap();
    store.revoke_certificate(&first.serial, Reason::Superseded, gate.now).unwrap();
    drop(store);
    let store = gate.restore(&backup).unwrap();
    assert_eq!(gate.live(&store), []);
    let names: Vec<_> =
        store.identities(gate.now).unwrap().into_iter().map(|identity| identity.name).collect();
    assert_eq!(names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
    let (_, held) = store.certificate(&first.serial).unwrap().unwrap();
    assert_eq!(held.reason, Some(Reason::Superseded));
}

#[test]
fn ssh_keys_come_back_but_not_those_taken_away_since() {
    use seawall_rules::ssh::key::PublicKey;
    let gate = Gate::new();
    let (alice, _) = gate.add("alice");
    let (bob, _) = gate.add("bob");
    let key = |byte: u8| {
        let blob = [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], &[byte; 32]].concat();
        PublicKey::parse(&blob).unwrap()
    };
    let add = |store: &mut Store, id: &IdentityId, byte: u8| {
        store.add_ssh_key(id, &key(byte), "", gate.now).unwrap();
    };
    let mut store = gate.store();
    for (id, byte) in [(&alice, 1), (&alice, 2), (&alice, 3), (&bob, 4)] {
        add(&mut store, id, byte);
    }
    drop(store);
    let backup = gate.backup();
    let mut store = gate.store();
    let hash = |byte| crate::pki::sha256(key(byte).blob());
    store.revoke_ssh_key(&hash(2), Reason::KeyCompromise, gate.now).unwrap();
    // Given to another since, and one that is new.
    store.revoke_ssh_key(&hash(3), Reason::Unspecified, gate.now).unwrap();
    add(&mut store, &bob, 3);
    add(&mut store, &alice, 5);
    store.revoke_identity(&bob, Reason::Unspecified, gate.now).unwrap();
    drop(store);
    let store = gate.restore(&backup).unwrap();
    let all = store.identities(gate.now).unwrap();
    let live = all.iter().flat_map(|identity| &identity.ssh_keys).map(|key| key.fingerprint);
    let mut live: Vec<_> = live.collect();
    live.sort_unstable();
    let mut expected = [hash(1), hash(5)];
    expected.sort_unstable();
    assert_eq!(live, expected);
    let (_, held) = store.ssh_key(&hash(2)).unwrap().remove(0);
    assert_eq!(held.reason, Some(Reason::KeyCompromise));
}

#[test]
fn what_the_backup_does_not_know_is_revoked_but_renewals_are_kept() {
    let gate = Gate::new();
    let (alice, first) = gate.add("alice");
    let backup = gate.backup();
    let (_, dave) = gate.add("dave");
    let mut store = gate.store();
    let renewed = gate.issue(&mut store, &alice);
    drop(store);
    let mut store = gate.restore(&backup).unwrap();
    let name = || "alice".to_owned();
    let mut live = gate.live(&store);
    live.sort();
    let mut expected = [(name(), first.serial), (name(), renewed.serial)];
    expected.sort();
    assert_eq!(live, expected);
    let (_, held) = store.certificate(&dave.serial).unwrap().unwrap();
    assert!(held.revoked.is_some());
    // ... and whoever goes by the CRL is told.
    let ca = store.active_authority().unwrap().fingerprint;
    let crl = store.crl(&ca, gate.now).unwrap();
    let (_, crl) = x509_parser::parse_x509_crl(&crl.der).unwrap();
    assert_eq!(crl.iter_revoked_certificates().count(), 1);
}

#[test]
fn invitations_of_a_backup_are_void() {
    let gate = Gate::new();
    let (alice, _) = gate.add("alice");
    let mut store = gate.store();
    let hour = Duration::from_secs(3600);
    store.create_invitation(&alice, &[1; 32], hour, gate.now).unwrap();
    store.create_invitation(&alice, &[2; 32], hour, gate.now).unwrap();
    store.use_invitation(&[2; 32], &[7; 32], 10, gate.now).unwrap();
    drop(store);
    let backup = gate.backup();
    let mut store = gate.restore(&backup).unwrap();
    for secret in [[1; 32], [2; 32]] {
        let refused = store.use_invitation(&secret, &[7; 32], 10, gate.now).unwrap_err();
        assert!(matches!(refused, InvitationRefused::Revoked), "{refused}");
    }
}

#[test]
fn a_rotation_since_the_backup_is_not_undone() {
    let gate = Gate::new();
    let (_, alice) = gate.add("alice");
    let backup = gate.backup();
    let mut store = gate.store();
    let old = store.active_authority().unwrap().fingerprint;
    store.activate(&Ca::create("gate", gate.now).unwrap(), gate.now).unwrap();
    store.retire(&old, gate.now).unwrap();
    let new = store.active_authority().unwrap().fingerprint;
    let number = { store.crl(&new, gate.now).unwrap() };
    drop(store);
    let mut store = gate.restore(&backup).unwrap();
    let standings: Vec<_> =
        store.authorities().unwrap().iter().map(|ca| (ca.fingerprint, ca.standing)).collect();
    assert_eq!(standings, [(old, Standing::Retired), (new, Standing::Active)]);
    assert_eq!(gate.live(&store), [], "{:?} is of the old CA", alice.serial);
    let next = store.crl(&new, gate.now).unwrap();
    let of = |der: &[u8]| {
        let (_, crl) = x509_parser::parse_x509_crl(der).unwrap();
        crl.crl_number().unwrap().to_string()
    };
    assert_eq!((of(&number.der), of(&next.der)), ("1".to_owned(), "2".to_owned()));
}

#[test]
fn the_clock_does_not_go_back_with_a_backup() {
    let gate = Gate::new();
    let backup = gate.backup();
    let mut store = gate.store();
    store.accept_clock(gate.now + Duration::from_secs(7200)).unwrap();
    drop(store);
    let mut store = gate.restore(&backup).unwrap();
    assert!(store.clock_behind(gate.now).unwrap().is_some());
}

#[test]
fn another_gates_state_is_replaced_only_by_force() {
    let (gate, other) = (Gate::new(), Gate::new());
    gate.add("alice");
    let (_, bob) = other.add("bob");
    let backup = other.backup();
    let refused = gate.restore(&backup).unwrap_err().to_string();
    insta::assert_snapshot!(refused, @"
    error: the backup is of another gate than the state here
    hint: `--force` replaces it, and with it its identities and revocations
    ");
    assert_eq!(gate.live(&gate.store()).len(), 1);
    let store = restore(gate.lock(), &backup, Force::Yes, gate.now).unwrap();
    assert_eq!(gate.live(&store), [("bob".to_owned(), bob.serial)]);
}

#[test]
fn what_is_no_backup_is_refused_and_changes_nothing() {
    let gate = Gate::new();
    gate.add("alice");
    let whole = gate.backup();
    let foreign = gate.dir.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE a (x)").unwrap();
    let mut newer = Connection::open(foreign.with_file_name("newer.db")).unwrap();
    newer.pragma_update(None, "application_id", schema::APPLICATION).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    newer.transaction().unwrap().commit().unwrap();
    drop(newer);
    let mut torn = whole.clone();
    torn.truncate(whole.len() / 2);
    let cases = [
        Vec::new(),
        b"hello".to_vec(),
        torn,
        std::fs::read(&foreign).unwrap(),
        std::fs::read(foreign.with_file_name("newer.db")).unwrap(),
    ];
    for (number, bytes) in cases.into_iter().enumerate() {
        let refused = gate.restore(&bytes).unwrap_err().to_string();
        assert!(
            refused.contains("not a backup") || refused.contains("schema 99"),
            "{number}: {refused}"
        );
        assert_eq!(gate.live(&gate.store()).len(), 1);
    }
    gate.restore(&whole).unwrap();
}
