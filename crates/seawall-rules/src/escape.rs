//! What strangers wrote, made fit for records, logs, terminals and error messages: printable
//! ASCII only, and never longer than told.

/// `text` with everything but printable ASCII, and the backtick and backslash, as `\xNN`; cut
/// at `max` bytes of output, and then ending in `...`.
pub fn bounded(text: &[u8], max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for &byte in text {
        let plain = matches!(byte, b' '..=b'~') && byte != b'`' && byte != b'\\';
        if out.len() + if plain { 1 } else { 4 } > max {
            while out.len() + 3 > max && out.pop().is_some() {}
            out.push_str(&"..."[..max.min(3)]);
            break;
        }
        if plain {
            out.push(char::from(byte));
        } else {
            let hex = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
            out.extend(['\\', 'x', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    out
}

/// [`bounded`] for use in a sentence: 64 bytes in backticks.
pub(crate) fn quoted(text: &[u8]) -> String {
    format!("`{}`", bounded(text, 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn controls_quotes_and_other_scripts_are_escaped() {
        let cases: &[(&[u8], &str)] = &[
            (b"GET /containers/json", "GET /containers/json"),
            (b"a\x1b[2J\r\n", r"a\x1b[2J\x0d\x0a"),
            (b"a`b\\", r"a\x60b\x5c"),
            ("\u{202e}".as_bytes(), r"\xe2\x80\xae"),
            (b"\xff\0", r"\xff\x00"),
        ];
        for (text, escaped) in cases {
            assert_eq!(bounded(text, 64), *escaped);
        }
        assert_eq!(bounded(b"0123456789", 10), "0123456789");
        assert_eq!(bounded(b"0123456789a", 10), "0123456...");
        assert_eq!(bounded(b"abc", 2), "..");
    }

    proptest! {
        #[test]
        fn the_escaped_form_is_short_and_printable(text: Vec<u8>, max in 0_usize..80) {
            let out = bounded(&text, max);
            prop_assert!(out.len() <= max && out.bytes().all(|b| matches!(b, b' '..=b'~')));
        }
    }
}
