//! A chunked body reads the same whole and in pieces; written afresh as one chunk it is the same
//! body; and every step takes what is there and no more.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall::http::body::{Body, Malformed, Step};
use seawall_rules::head::Framing;

fuzz_target!(|wire: &[u8]| {
    let whole = follow(wire, wire.len());
    // The step comes from the data, so that the fuzzer can choose it.
    let step = usize::from(wire.last().copied().unwrap_or_default() % 7) + 1;
    assert_eq!(follow(wire, step), whole);
    if let Ok((data, rest, true)) = whole {
        assert!(wire.ends_with(&rest) && data.len() < wire.len() - rest.len());
        let mut again = format!("{:x}\r\n", data.len()).into_bytes();
        again.extend_from_slice(&data);
        again.extend_from_slice(if data.is_empty() { b"\r\n" } else { b"\r\n0\r\n\r\n" });
        again.extend_from_slice(&rest);
        assert_eq!(follow(&again, again.len()), Ok((data, rest, true)));
    }
});

/// What of `wire` is body, what follows it, and whether the body has ended.
type Followed = Result<(Vec<u8>, Vec<u8>, bool), Malformed>;

fn follow(wire: &[u8], piece: usize) -> Followed {
    let (mut body, mut data) = (Body::new(Framing::Chunked), Vec::new());
    let (mut at, mut end) = (0, 0);
    while end < wire.len() {
        end = wire.len().min(end + piece);
        loop {
            let bytes = &wire[at..end];
            let n = match body.step(bytes)? {
                Step::Data(n) => {
                    data.extend_from_slice(&bytes[..n]);
                    n
                }
                Step::Framing(n) | Step::Trailer(n) => n,
                Step::More => break,
            };
            assert!(0 < n && n <= bytes.len());
            at += n;
        }
    }
    Ok((data, wire[at..].to_vec(), body.is_done()))
}
