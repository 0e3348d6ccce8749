use super::*;

fn wire(strings: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for string in strings {
        bytes.extend(u32::try_from(string.len()).unwrap().to_be_bytes());
        bytes.extend(*string);
    }
    bytes
}

#[test]
fn keys_are_read_as_ssh_keygen_writes_them_and_written_back() {
    for (line, kind) in [
        (ED25519, Kind::Ed25519),
        (P256, Kind::EcdsaP256),
        (P384, Kind::EcdsaP384),
        (P521, Kind::EcdsaP521),
        (RSA_3072, Kind::Rsa),
    ] {
        let (key, comment) = PublicKey::from_line(line).unwrap();
        assert_eq!((key.kind(), comment), (kind, ""));
        assert_eq!(key.to_string(), line);
        assert_eq!(PublicKey::parse(key.blob()), Ok(key));
    }
    let with_comment = format!("  {ED25519} alice on her laptop\n");
    assert_eq!(PublicKey::from_line(&with_comment).unwrap().1, "alice on her laptop");
}

#[test]
fn keys_on_a_token_carry_their_application() {
    let ed25519 = wire(&[b"sk-ssh-ed25519@openssh.com", &[7; 32], b"ssh:"]);
    assert_eq!(PublicKey::parse(&ed25519).unwrap().kind(), Kind::SkEd25519);
    let mut point = [7; 65];
    point[0] = 4;
    let ecdsa = wire(&[b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", &point, b"ssh:"]);
    assert_eq!(PublicKey::parse(&ecdsa).unwrap().kind(), Kind::SkEcdsaP256);
    let without = wire(&[b"sk-ssh-ed25519@openssh.com", &[7; 32]]);
    assert_eq!(PublicKey::parse(&without), Err(NotAKey::Malformed(Malformed)));
}

#[test]
fn what_is_no_acceptable_key_is_refused_by_name() {
    let base64 = ED25519.split(' ').nth(1).unwrap();
    for (line, expected) in [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", NotAKey::Private),
        ("PuTTY-User-Key-File-3: ssh-ed25519", NotAKey::Private),
        (RSA_2048, NotAKey::RsaSize(2048)),
        ("ssh-dss AAAAB3NzaC1kc3M= a", NotAKey::Dss),
        ("ssh-ed25519-cert-v01@openssh.com AAAA a", NotAKey::Certificate),
        (&format!("restrict,pty {ED25519}"), NotAKey::Options),
        (&format!("command=\"a b\" {ED25519}"), NotAKey::Options),
        (&format!("ssh-rsa {base64}"), NotAKey::Malformed(Malformed)),
        (&format!("ssh-ed25519 {base64}AAAA"), NotAKey::Malformed(Malformed)),
        ("ssh-ed25519 !", NotAKey::Malformed(Malformed)),
        (&format!("{ED25519} a\u{1b}[31m"), NotAKey::Unknown),
        ("ssh-ed25519", NotAKey::Unknown),
        ("", NotAKey::Unknown),
        ("hello world", NotAKey::Unknown),
    ] {
        assert_eq!(PublicKey::from_line(line).unwrap_err(), expected, "{line}");
    }
}

#[test]
fn a_second_spelling_of_a_key_is_refused() {
    let mut compressed = [7; 33];
    compressed[0] = 2;
    let mut padded = vec![0, 0];
    padded.extend([0xff; 384]);
    for blob in [
        wire(&[b"ecdsa-sha2-nistp256", b"nistp256", &compressed]),
        wire(&[b"ecdsa-sha2-nistp256", b"nistp384", &[4; 65]]),
        wire(&[b"ssh-ed25519", &[7; 33]]),
        wire(&[b"ssh-ed25519", &[7; 32], b""]),
        wire(&[b"ssh-rsa", &[1, 0, 1], &padded]),
        wire(&[b"ssh-rsa", &[0, 1, 0, 1], &padded[1..]]),
    ] {
        assert_eq!(PublicKey::parse(&blob), Err(NotAKey::Malformed(Malformed)), "{blob:?}");
    }
    assert!(PublicKey::parse(&wire(&[b"ssh-rsa", &[1, 0, 1], &padded[1..]])).is_ok());
}

#[test]
fn the_size_of_an_rsa_key_is_that_of_its_modulus_in_bits() {
    let of = |first: u8, bytes: usize| {
        let mut modulus = vec![0xff; bytes];
        modulus[0] = first;
        if first & 0x80 != 0 {
            modulus.insert(0, 0);
        }
        PublicKey::parse(&wire(&[b"ssh-rsa", &[1, 0, 1], &modulus])).map(|key| key.kind())
    };
    assert_eq!(of(0x80, 384), Ok(Kind::Rsa));
    assert_eq!(of(0x7f, 384), Err(NotAKey::RsaSize(3071)));
    assert_eq!(of(0xff, 1024), Ok(Kind::Rsa));
    assert_eq!(of(0x01, 1025), Err(NotAKey::RsaSize(8193)));
}

const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOZBJH5ykgkIwx60t6dCuO/+wUp6hhTa94fHvBZK1R5i";
const P256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAdGWgsfuT7X\
    Ktqt/wXJkbDnLpRCwNh0Y7NEFGlSfp4k3hX6FCCrE9A6myt+560X6HDCpiiIpFMuGvjpEREyN1o=";
const P384: &str = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBMb0BLrChcTs\
    Mx2eIUK67QHD907C1/dqpVJ56kQKiWRwJzjRhdWDAL2ZUsekzYqu3hrP0aand5A82D5KW7UPAdhLbgXUTCnX\
    bEEkI0Ai7KzyFUprcQATQzh61w8ec89nVA==";
const P521: &str = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAB48usoigVF\
    WR4e0zShYzqZpMLU9pXQV3GVvhh+h8vw4eaRgl/O7cyXGTaKmOE/DLIX2c0gnjsMyZVWqhIJAapdXQDZkK9h\
    9PQLf7U01h082A/wBmJYKCk14t7lsRvKfHwdY8OQEZcmXl91cxAlDrTWbElLOjCpt0HKlRNV9nGdT9bBKQ==";
const RSA_3072: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDNhnH/iMPd4tUlPfS0BMciBxd1qA3Mq2a0XGT2Om7QVINi\
    W253upoX5o3UrxHIEb6S5o/CoaAYUnjGv0BrKPGwSsIdajRKeUz3XIbcEzkMELECG8Rxbf/qQMvHUctXbz3O\
    gYcwEOESqU6CxfIAWe211XtoK5HAMV4Khjex8KvZVFY+X+9w2ToUh7QuaiAG3ezSjxAvhewlaeAQ4BqpMM4E\
    rnetFrnGqqgvYJfSHW7Ubd8guxsM06M8Hbz5dG1zdA3Y8QxMuqHL9GTLyhLEDUDCU/ix9L6eqPLHJDgo8AzA\
    JI3Uz9SWBNu3Lgn5c04z1weUNDwp09j9rN0t3aBJUrduGVjKevf/e4lUmoRSgq3r+ChJaOfE9tIMe1y2dXCb\
    M8EZhdEFj8lBHFHXwDMAmVV8O432fGMM5VPSoD4Hun5K79cq3HUZRNUAAezM/3vBxlnZ1w3AhbwahWbWqd7K\
    ZUVCepyjrC6sXtB/idKrgOLapjmviE7D2b2RSMJC0g7CJa8=";
const RSA_2048: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDA5DNK6Fw16gcOntxisU3se1V0yZVpq6bmJLbmrlrTblK2\
    bNX+7v1B5wYMjsMoqTt9UPwxP074zi0vwWYDaLfgikHaUCOyoq3ep0y/sbVqRqFKaEN7kV+ZddJfA0Es2SNN\
    rfxULfGGYf6fN8RgnroNdx521HOG0UyqNOqTUYEk7ySrjRl68Fe9hFqQUqy0MRTGHETAEhmDQSLsjMl2d7TT\
    M7Kl+ON5mO4Ny78jtzdsCHOvb2CxcYjh5lrkpoFGHysT8WrNWzQtA9/QFLbrJHqfMSzOm7BHDK4PMiZQUwtG\
    A2N11miKIPGkNTqJQ5OkhvjiSTfmlVSs48Yo2Zdl5YbV";
