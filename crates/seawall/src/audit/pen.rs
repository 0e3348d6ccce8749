//! Writing one record as one line of JSON into a reused buffer: fields in a fixed order, every
//! text bounded, and nothing a stranger wrote left as it could act on a terminal.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use super::chain::Head;

/// No line is longer than this, the line feed included; readers rely on it.
pub(super) const MAX_LINE: usize = 96 * 1024;

/// One record in the making.
pub(super) struct Pen<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Pen<'a> {
    /// Begins the record after `prev`.
    pub(super) fn begin(out: &'a mut Vec<u8>, prev: &Head, time: &[u8], kind: &str) -> Self {
        let mut pen = Self { out };
        pen.raw(b"{\"seq\":");
        pen.digits(prev.seq + 1);
        pen.raw(b",\"time\":\"");
        pen.raw(time);
        pen.raw(b"\",\"prev\":\"");
        pen.raw(&prev.hash.hex());
        pen.raw(b"\",\"kind\":\"");
        pen.raw(kind.as_bytes());
        pen.raw(b"\"");
        pen
    }

    /// Ends the record.
    pub(super) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    /// A text of at most `max` bytes; what is over is cut and marked with `…`.
    pub(super) fn text(&mut self, name: &str, value: &str, max: usize) {
        self.name(name);
        self.quoted(value, max);
    }

    /// A text or null.
    pub(super) fn optional(&mut self, name: &str, value: Option<&str>, max: usize) {
        match value {
            Some(value) => self.text(name, value, max),
            None => self.json(name, "null"),
        }
    }

    /// A number.
    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.digits(value);
    }

    /// At most `max` texts of at most `max_each` bytes; a last entry says how many were left out.
    pub(super) fn list<T: AsRef<str>>(
        &mut self,
        name: &str,
        values: &[T],
        max: usize,
        max_each: usize,
    ) {
        self.name(name);
        self.raw(b"[");
        for (index, value) in values.iter().take(max).enumerate() {
            if index > 0 {
                self.raw(b",");
            }
            self.quoted(value.as_ref(), max_each);
        }
        if values.len() > max {
            self.raw(format!(",\"… and {} more\"", values.len() - max).as_bytes());
        }
        self.raw(b"]");
    }

    /// A value that is JSON already; characters that could act on a terminal are escaped in it.
    pub(super) fn json(&mut self, name: &str, json: &str) {
        self.name(name);
        for c in json.chars() {
            // Outside of strings JSON is printable ASCII, so whatever must be escaped is inside
            // one, and serde_json has escaped quotes and backslashes there.
            if acts_on_terminals(c) { self.escape(c) } else { self.character(c) }
        }
    }

    fn name(&mut self, name: &str) {
        self.raw(b",\"");
        self.raw(name.as_bytes());
        self.raw(b"\":");
    }

    fn quoted(&mut self, value: &str, max: usize) {
        let (value, cut) = match value.len() > max {
            true => {
                // Zero always is a boundary.
                let end = (0..=max).rev().find(|&end| value.is_char_boundary(end)).unwrap_or(0);
                (&value[..end], true)
            }
            false => (value, false),
        };
        self.raw(b"\"");
        if value.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\') {
            self.raw(value.as_bytes());
        } else {
            for c in value.chars() {
                match c {
                    '"' => self.raw(b"\\\""),
                    '\\' => self.raw(b"\\\\"),
                    c if acts_on_terminals(c) => self.escape(c),
                    c => self.character(c),
                }
            }
        }
        if cut {
            self.raw("…".as_bytes());
        }
        self.raw(b"\"");
    }

    fn character(&mut self, c: char) {
        self.raw(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn escape(&mut self, c: char) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            self.raw(format!("\\u{unit:04x}").as_bytes());
        }
    }

    fn digits(&mut self, mut value: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.raw(&digits[at..]);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}

/// Characters that move the cursor, reorder, hide or end a line where they are shown: controls,
/// line and paragraph separators, bidirectional and other invisible format characters, and
/// private use.
pub(super) fn acts_on_terminals(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{e000}'..='\u{f8ff}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

/// A text as it may be shown on a terminal or in a table: what would act on one is escaped.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(acts_on_terminals) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\r' => shown.push_str("\\r"),
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            c if acts_on_terminals(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// The wall clock as records carry it, RFC 3339 in UTC with microseconds. Jumps are recorded as
/// they are: `seq` is what orders.
#[derive(Debug)]
pub(super) struct Clock {
    second: u64,
    text: [u8; 27],
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { second: u64::MAX, text: *b"1970-01-01T00:00:00.000000Z" }
    }

    /// `time` as text. Formats the date only when the second has changed.
    pub(super) fn show(&mut self, time: SystemTime) -> [u8; 27] {
        // A clock before 1970 is shown as 1970.
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            let date = i64::try_from(self.second)
                .ok()
                .and_then(|second| time::OffsetDateTime::from_unix_timestamp(second).ok())
                .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
            let text = format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
                date.year(),
                u8::from(date.month()),
                date.day(),
                date.hour(),
                date.minute(),
                date.second()
            );
            self.text[..19].copy_from_slice(&text.as_bytes()[..19]);
        }
        let mut micros = since.subsec_micros();
        for digit in self.text[20..26].iter_mut().rev() {
            *digit = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn line(write: impl FnOnce(&mut Pen<'_>)) -> String {
        let mut out = Vec::new();
        let mut pen = Pen::begin(&mut out, &Head::NONE, b"T", "test");
        write(&mut pen);
        pen.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_clock_shows_microseconds_in_utc() {
        let mut clock = Clock::new();
        let cases = [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_709_210_096_000_007, "2024-02-29T12:34:56.000007Z"),
            (1_709_210_096_999_999, "2024-02-29T12:34:56.999999Z"),
            (1_709_210_095_000_000, "2024-02-29T12:34:55.000000Z"),
        ];
        for (micros, text) in cases {
            let shown = clock.show(UNIX_EPOCH + Duration::from_micros(micros));
            assert_eq!(std::str::from_utf8(&shown), Ok(text));
        }
    }

    #[test]
    fn texts_are_cut_at_their_bound_and_between_characters() {
        assert!(line(|pen| pen.text("a", "xéy", 2)).ends_with(",\"a\":\"x…\"}\n"));
        assert!(line(|pen| pen.text("a", "xéy", 4)).ends_with(",\"a\":\"xéy\"}\n"));
        let many = ["a"; 5];
        assert!(
            line(|pen| pen.list("l", &many, 2, 8)).ends_with("[\"a\",\"a\",\"… and 3 more\"]}\n")
        );
    }

    #[test]
    fn nothing_that_acts_on_a_terminal_stays_in_a_line() {
        let nasty = "\u{1b}[31m\r\n\u{7f}\u{9b}\u{202e}\u{2028}\u{feff}\u{e0041}";
        let written = line(|pen| pen.text("a", nasty, 100));
        assert!(written.trim_end().bytes().all(|b| matches!(b, b' '..=b'~')), "{written}");
        let detail = serde_json::to_string(&serde_json::json!({ nasty: nasty })).unwrap();
        let written = line(|pen| pen.json("detail", &detail));
        assert!(written.trim_end().bytes().all(|b| matches!(b, b' '..=b'~')), "{written}");
        let read: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read["detail"][nasty], nasty);
    }

    proptest! {
        #[test]
        fn any_text_is_one_line_of_json_that_reads_back(text in any::<String>()) {
            let written = line(|pen| pen.text("a", &text, usize::MAX));
            prop_assert_eq!(written.matches('\n').count(), 1);
            prop_assert!(!written.trim_end_matches('\n').contains(acts_on_terminals));
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read["a"].as_str().unwrap(), text.as_str());
        }
    }
}
