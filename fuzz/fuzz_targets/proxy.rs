//! A balancer's header is read exactly to its end, within its bound, and whatever follows it in the
//! stream changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall_rules::proxy::{MOST, Malformed, Progress, parse};

fuzz_target!(|stream: &[u8]| {
    let read = |stream: &[u8]| -> Result<Option<(Progress, usize)>, Malformed> {
        let mut have = 0;
        while let Some(bytes) = stream.get(..have) {
            match parse(bytes)? {
                Progress::Needs(more) => {
                    assert!(more > 0);
                    have += more;
                    assert!(have <= MOST);
                }
                whole => return Ok(Some((whole, have))),
            }
        }
        Ok(None)
    };
    let first = read(stream);
    if let Ok(Some((_, length))) = first {
        assert_eq!(read(&stream[..length]), first);
        let longer = [&stream[..length], b"PROXY \r\n\0\x16\x03"].concat();
        assert_eq!(read(&longer), first);
    }
});
