use super::*;

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn ca() -> PublicKey {
    let blob = [string(b"ssh-ed25519"), string(&[9; 32])].concat();
    PublicKey::parse(&blob).unwrap()
}

fn krl(sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut file = [MAGIC, &[0, 0, 0, 1], &[0; 24], &string(b""), &string(b"ours")].concat();
    for (kind, data) in sections {
        file.push(*kind);
        file.extend(string(data));
    }
    file
}

fn of_certificates(ca: &[u8], parts: &[(u8, Vec<u8>)]) -> (u8, Vec<u8>) {
    let mut data = [string(ca), string(b"")].concat();
    for (kind, part) in parts {
        data.push(*kind);
        data.extend(string(part));
    }
    (1, data)
}

#[test]
fn serials_are_found_however_they_are_written() {
    let list = [3_u64, 9].map(u64::to_be_bytes).concat();
    let range = [20_u64, 29].map(u64::to_be_bytes).concat();
    // Bits 0, 1 and 8.
    let bitmap = [40_u64.to_be_bytes().to_vec(), string(&[1, 3])].concat();
    let parts = [(0x20, list), (0x21, range), (0x22, bitmap), (0x23, string(b"bob@corp"))];
    let file = krl(&[of_certificates(ca().blob(), &parts)]);
    let revoked = Revoked::parse(&file).unwrap();
    let found: Vec<u64> =
        (0..60).filter(|serial| revoked.revokes_certificate(&ca(), *serial, "")).collect();
    let expected: Vec<u64> = [3, 9].into_iter().chain(20..30).chain([40, 41, 48]).collect();
    assert_eq!(found, expected);
    assert!(revoked.revokes_certificate(&ca(), 0, "bob@corp"));
    let other = PublicKey::parse(&[string(b"ssh-ed25519"), string(&[8; 32])].concat()).unwrap();
    assert!(!revoked.revokes_certificate(&other, 3, "bob@corp"));
    // Without a CA it is any CA's; and serial 0 is none.
    let all = [0_u64, u64::MAX].map(u64::to_be_bytes).concat();
    let revoked = Revoked::parse(&krl(&[of_certificates(b"", &[(0x21, all)])])).unwrap();
    assert!(
        revoked.revokes_certificate(&other, 3, "") && !revoked.revokes_certificate(&other, 0, "")
    );
}

#[test]
fn keys_are_found_by_themselves_and_by_either_hash() {
    let prints = Fingerprints { sha1: [1; 20], sha256: [2; 32] };
    for section in [(2, string(ca().blob())), (3, string(&[1; 20])), (5, string(&[2; 32]))] {
        let revoked = Revoked::parse(&krl(&[section])).unwrap();
        assert!(revoked.revokes_key(&ca(), &prints));
    }
    assert!(!Revoked::parse(&krl(&[])).unwrap().revokes_key(&ca(), &prints));
    let list = format!("# gone\n\n{} bob\nssh-dss AAAA old\n", ca());
    assert!(Revoked::parse(list.as_bytes()).unwrap().revokes_key(&ca(), &prints));
}

#[test]
fn what_is_not_understood_is_an_error() {
    let extension = |critical| [string(b"x"), vec![critical], string(b"")].concat();
    assert!(Revoked::parse(&krl(&[(255, extension(0))])).is_ok());
    for (sections, expected) in [
        (vec![(4, Vec::new())], NotAList::Signed),
        (vec![(6, Vec::new())], NotAList::Section(6)),
        (vec![(255, extension(1))], NotAList::Section(255)),
        (vec![(3, string(&[1; 19]))], NotAList::Malformed(Malformed)),
        (vec![of_certificates(b"", &[(0x24, Vec::new())])], NotAList::Section(0x24)),
        (
            vec![of_certificates(b"", &[(0x21, [5_u64, 4].map(u64::to_be_bytes).concat())])],
            NotAList::Malformed(Malformed),
        ),
        (
            vec![of_certificates(
                b"",
                &[(0x22, [u64::MAX.to_be_bytes().to_vec(), string(&[2])].concat())],
            )],
            NotAList::Malformed(Malformed),
        ),
    ] {
        assert_eq!(Revoked::parse(&krl(&sections)), Err(expected));
    }
    let whole = krl(&[(2, string(ca().blob()))]);
    let ends = [whole.len(), whole.len() - string(&string(ca().blob())).len() - 1];
    for length in MAGIC.len()..whole.len() {
        assert_eq!(Revoked::parse(&whole[..length]).is_ok(), ends.contains(&length), "{length}");
    }
    let bad_line = Revoked::parse(b"# ours\nnonsense\n");
    assert_eq!(bad_line, Err(NotAList::Line(2, NotAKey::Unknown)));
}
