use super::*;

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| string(part)).collect()
}

/// What differs from a certificate that is let in.
struct Parts {
    kind: u32,
    serial: u64,
    principals: Vec<u8>,
    critical: Vec<u8>,
    extensions: Vec<u8>,
    ca: Vec<u8>,
    rest: Vec<u8>,
}

fn ca() -> Vec<u8> {
    strings(&[b"ssh-ed25519", &[9; 32]])
}

fn parts() -> Parts {
    Parts {
        kind: 1,
        serial: 7,
        principals: string(b"alice"),
        critical: Vec::new(),
        extensions: strings(&[b"permit-pty", b""]),
        ca: ca(),
        rest: Vec::new(),
    }
}

fn blob(parts: Parts) -> Vec<u8> {
    [
        strings(&[b"ssh-ed25519-cert-v01@openssh.com", b"nonce", &[5; 32]]),
        parts.serial.to_be_bytes().to_vec(),
        parts.kind.to_be_bytes().to_vec(),
        string(b"alice@corp"),
        string(&parts.principals),
        100_u64.to_be_bytes().to_vec(),
        200_u64.to_be_bytes().to_vec(),
        string(&parts.critical),
        string(&parts.extensions),
        string(b""),
        string(&parts.ca),
        string(&strings(&[b"ssh-ed25519", &[1; 64]])),
        parts.rest,
    ]
    .concat()
}

const PRINTS: Fingerprints = Fingerprints { sha1: [1; 20], sha256: [2; 32] };

fn judged_at(parts: Parts, now: u64, source: &str, signed: bool) -> Result<(), Refused> {
    let trust = Trust { cas: vec![PublicKey::parse(&ca()).unwrap()], revoked: Revoked::default() };
    let certificate = Certificate::parse(&blob(parts)).unwrap();
    certificate.judge(&trust, &PRINTS, source.parse().unwrap(), now, |signature| {
        assert_eq!(signature.bytes, [1; 64]);
        signed
    })
}

fn judged(parts: Parts) -> Result<(), Refused> {
    judged_at(parts, 150, "192.0.2.7", true)
}

fn critical(name: &str, value: &str) -> Parts {
    let data = if value.is_empty() { Vec::new() } else { string(value.as_bytes()) };
    Parts { critical: strings(&[name.as_bytes(), &data]), ..parts() }
}

#[test]
fn what_is_signed_is_everything_before_the_signature() {
    let blob = blob(parts());
    let certificate = Certificate::parse(&blob).unwrap();
    let signature = string(&strings(&[b"ssh-ed25519", &[1; 64]]));
    assert_eq!(certificate.signed, blob[..blob.len() - signature.len()]);
    assert_eq!(certificate.principals(), ["alice"]);
    assert_eq!(certificate.key().blob(), strings(&[b"ssh-ed25519", &[5; 32]]));
    assert_eq!((certificate.serial(), certificate.key_id()), (7, "alice@corp"));
}

#[test]
fn each_thing_that_could_be_wrong_is_refused() {
    assert_eq!(judged(parts()), Ok(()));
    let other = strings(&[b"ssh-ed25519", &[8; 32]]);
    for (parts, expected) in [
        (Parts { ca: other, ..parts() }, Refused::Ca),
        (Parts { kind: 2, ..parts() }, Refused::NotUser),
        (Parts { principals: Vec::new(), ..parts() }, Refused::NoPrincipal),
        (critical("verify-required", ""), Refused::CriticalOption("verify-required".to_owned())),
        (critical("x@example.com", ""), Refused::CriticalOption("x@example.com".to_owned())),
        (critical("force-command", "/bin/sh"), Refused::ForceCommand),
        (
            critical("source-address", "192.0.2.0/29,nonsense"),
            Refused::CriticalOption("source-address".to_owned()),
        ),
        (
            critical("source-address", "198.51.100.0/24"),
            Refused::SourceAddress("192.0.2.7".parse().unwrap()),
        ),
    ] {
        assert_eq!(judged(parts), Err(expected));
    }
    assert_eq!(judged_at(parts(), 150, "192.0.2.7", false), Err(Refused::Signature));
}

#[test]
fn what_is_allowed_by_a_critical_option_is_allowed() {
    assert_eq!(judged(critical("force-command", "docker system dial-stdio")), Ok(()));
    let source = || critical("source-address", "198.51.100.9,192.0.2.0/29,fd00::/8");
    assert_eq!(judged(source()), Ok(()));
    assert_eq!(judged_at(source(), 150, "::ffff:192.0.2.7", true), Ok(()));
    assert_eq!(judged_at(source(), 150, "fd00::1", true), Ok(()));
    assert!(judged_at(source(), 150, "192.0.2.8", true).is_err());
}

#[test]
fn it_is_valid_from_its_first_second_to_before_its_last() {
    for (now, expected) in
        [(99, Err(Refused::NotYet)), (100, Ok(())), (199, Ok(())), (200, Err(Refused::Expired))]
    {
        assert_eq!(judged_at(parts(), now, "192.0.2.7", true), expected, "{now}");
    }
}

#[test]
fn a_blob_is_read_whole_or_refused() {
    let whole = blob(parts());
    for length in 0..whole.len() {
        assert!(Certificate::parse(&whole[..length]).is_err(), "{length}");
    }
    assert!(Certificate::parse(&blob(Parts { rest: vec![0], ..parts() })).is_err());
    let twice = strings(&[b"force-command", &string(b"a"), b"force-command", &string(b"b")]);
    assert!(Certificate::parse(&blob(Parts { critical: twice, ..parts() })).is_err());
    let many = string(b"a").repeat(MAX_PRINCIPALS + 1);
    let most = string(b"a").repeat(MAX_PRINCIPALS);
    assert!(Certificate::parse(&blob(Parts { principals: most, ..parts() })).is_ok());
    assert_eq!(
        Certificate::parse(&blob(Parts { principals: many, ..parts() })),
        Err(NotACertificate::Principals)
    );
}

proptest::proptest! {
    #[test]
    fn nothing_that_was_changed_is_read_as_what_it_was(at in 0..400_usize, flip in 1..=255_u8) {
        let mut changed = blob(Parts { critical: critical("source-address", "::1").critical, ..parts() });
        let original = Certificate::parse(&changed).unwrap();
        let at = at % changed.len();
        changed[at] ^= flip;
        if let Ok(read) = Certificate::parse(&changed) {
            // The nonce stands in what is signed only.
            proptest::prop_assert_ne!(&read, &original);
            proptest::prop_assert!(read.signed != original.signed || read.signature != original.signature
                || read.algorithm != original.algorithm);
        }
        let _ = Revoked::parse(&changed);
    }
}
