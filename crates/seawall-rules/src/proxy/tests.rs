use proptest::prelude::*;

use super::*;

/// A header of version 2.
fn v2(version_and_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version_and_command, family][..], &length, block].concat()
}

fn block4(tail: &[u8]) -> Vec<u8> {
    [&[192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 9, 72][..], tail].concat()
}

fn block6(source: &str) -> Vec<u8> {
    let source: Ipv6Addr = source.parse().unwrap();
    [&source.octets()[..], &[0; 16], &[0x30, 0x39, 9, 72]].concat()
}

/// Reads as a reader does: exactly what is needed, from a stream that goes on.
fn read(stream: &[u8]) -> Result<(Header, usize), Malformed> {
    let mut have = 0;
    loop {
        match parse(&stream[..have])? {
            Progress::Whole(header) => return Ok((header, have)),
            Progress::Needs(more) => {
                assert!(more > 0);
                have += more;
                if have > stream.len() {
                    return Err(Malformed("the stream ends"));
                }
                assert!(have <= MOST);
            }
        }
    }
}

fn client(address: &str) -> Option<Header> {
    Some(Header::Client(address.parse().unwrap()))
}

#[test]
fn headers_are_read_to_their_end_and_not_beyond() {
    let cases: Vec<(Vec<u8>, Option<Header>)> = vec![
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 2376\r\n".to_vec(), client("192.0.2.7:12345")),
        (b"PROXY TCP6 2001:db8::7 fd00::1 0 2376\r\n".to_vec(), client("[2001:db8::7]:0")),
        (b"PROXY UNKNOWN\r\n".to_vec(), Some(Header::Local)),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), Some(Header::Local)),
        (v2(0x21, 0x11, &block4(b"")), client("192.0.2.7:12345")),
        (v2(0x21, 0x11, &block4(&[4, 0, 2, 0, 0])), client("192.0.2.7:12345")),
        (v2(0x21, 0x21, &block6("2001:db8::7")), client("[2001:db8::7]:12345")),
        (v2(0x20, 0x00, b""), Some(Header::Local)),
        (v2(0x20, 0x11, &block4(b"")), Some(Header::Local)),
        // Another family, an address that is not of it, and other spellings.
        (b"PROXY TCP4 2001:db8::7 fd00::1 1 2\r\n".to_vec(), None),
        (b"PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(), None),
        (b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(), None),
        (b"PROXY tcp4 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(), None),
        (b"proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(), None),
        (b"PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n".to_vec(), None),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n".to_vec(), None),
        (b"PROXY TCP4 192.0.2.007 10.0.0.1 1 2\r\n".to_vec(), None),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n".to_vec(), None),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 +1 2\r\n".to_vec(), None),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n".to_vec(), None),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n".to_vec(), None),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n\r\n".to_vec(), None),
        (b"PROXY TCP4 192.0.2.7\r10.0.0.1 1 2\r\n".to_vec(), None),
        ([b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200], b"\r\n".to_vec()].concat(), None),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaa".to_vec(), None),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), None),
        (v2(0x11, 0x11, &block4(b"")), None),
        (v2(0x22, 0x11, &block4(b"")), None),
        (v2(0x21, 0x00, b""), None),
        (v2(0x21, 0x12, &block4(b"")), None),
        (v2(0x21, 0x31, &[0; 216]), None),
        (v2(0x21, 0x11, &block4(b"")[..11]), None),
        (v2(0x21, 0x21, &block4(b"")), None),
        (v2(0x21, 0x11, &block4(&[4, 0, 3, 0, 0])), None),
        (v2(0x21, 0x11, &block4(&[4])), None),
        (v2(0x21, 0x11, &block4(&[0; MOST])), None),
    ];
    for (header, expected) in cases {
        let length = header.len();
        let stream = [&header[..], b"\x16\x03\x01 the client's own bytes"].concat();
        let read = read(&stream);
        let shown = header.escape_ascii();
        assert_eq!(read.ok().map(|(header, _)| header), expected, "{shown}: {read:?}");
        if let Ok((_, taken)) = read {
            assert_eq!(taken, length, "{shown}");
        }
    }
}

proptest! {
    #[test]
    fn what_a_balancer_writes_is_what_is_read(v6 in any::<bool>(), bits in any::<u128>(), port in any::<u16>()) {
        let ip = match v6 {
            true => IpAddr::from(bits.to_be_bytes()),
            false => IpAddr::from((bits as u32).to_be_bytes()),
        };
        let source = SocketAddr::new(ip, port);
        let line = match v6 {
            true => format!("PROXY TCP6 {ip} ::1 {port} 2376\r\n"),
            false => format!("PROXY TCP4 {ip} 127.0.0.1 {port} 2376\r\n"),
        };
        prop_assert_eq!(read(line.as_bytes()), Ok((Header::Client(source), line.len())));
        let block = match ip {
            IpAddr::V4(v4) => [&v4.octets()[..], &[0; 4], &port.to_be_bytes(), &[9, 72]].concat(),
            IpAddr::V6(v6) => [&v6.octets()[..], &[0; 16], &port.to_be_bytes(), &[9, 72]].concat(),
        };
        let binary = v2(0x21, if v6 { 0x21 } else { 0x11 }, &block);
        prop_assert_eq!(read(&binary), Ok((Header::Client(source), binary.len())));
    }

    #[test]
    fn no_bytes_are_read_beyond_the_bound(bytes in prop::collection::vec(any::<u8>(), 0..700), kind in 0..3) {
        let start: &[u8] = match kind {
            0 => b"",
            1 => b"PROXY TCP4 ",
            _ => b"\r\n\r\n\0\r\nQUIT\n\x21",
        };
        let _ = read(&[start, &bytes].concat());
    }
}
