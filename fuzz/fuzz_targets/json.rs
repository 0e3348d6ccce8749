//! A body that is accepted is the document `serde_json` reads, has no name twice in any case, and
//! comes back equal from its own bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall_rules::json::{self, Names};
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let exact = json::parse_with(body, Names::Exact);
    match json::parse(body) {
        Ok(document) => {
            let oracle: Value = serde_json::from_slice(body).expect("serde_json reads it too");
            assert_eq!(document.value(), &oracle);
            assert_no_repeats(document.value());
            assert_eq!(json::parse(&document.to_bytes()).as_ref(), Ok(&document));
            assert_eq!(exact, Ok(document));
        }
        Err(refusal) => {
            assert!(refusal.status == 400 && refusal.reason.len() < 256);
            assert!(refusal.reason.bytes().all(|b| matches!(b, b' '..=b'~')));
            assert!(exact.is_err() || refusal.rule == "body.duplicate");
        }
    }
});

/// The slow way: every name against every other.
fn assert_no_repeats(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(assert_no_repeats),
        Value::Object(object) => {
            let names: Vec<&String> = object.keys().collect();
            for (index, name) in names.iter().enumerate() {
                assert!(!names[..index].iter().any(|other| json::same_field(other, name)));
            }
            object.values().for_each(assert_no_repeats);
        }
        _ => {}
    }
}
