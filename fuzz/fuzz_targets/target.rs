//! A target that is accepted has one spelling, which reads back as the same target, and says
//! nothing that a router could take for a step up, an empty segment or a second version.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall_rules::target;

fuzz_target!(|raw: &str| {
    match target::parse(raw) {
        Ok(target) => {
            let printed = target.to_string();
            assert!(printed.bytes().all(|b| matches!(b, b'!'..=b'~')), "{printed}");
            assert_eq!(target::parse(&printed).as_ref(), Ok(&target), "{raw:?} -> {printed}");
            let (path, _) = printed.split_once('?').unwrap_or((&printed, ""));
            assert!(!path.contains("//") && !path.contains("%2F") && !path.contains("%5C"));
            for segment in &target.segments {
                assert!(!matches!(segment.as_str(), "" | "." | ".."));
                assert!(!segment.contains(|c: char| c.is_control() || "/\\;".contains(c)));
            }
            assert!(target.query.iter().all(|(key, value)| {
                !key.is_empty() && !key.contains(char::is_control) && !value.contains('\0')
            }));
        }
        Err(refusal) => {
            assert!(matches!(refusal.status, 400 | 403) && refusal.reason.len() < 256);
            assert!(refusal.reason.bytes().all(|b| matches!(b, b' '..=b'~')));
        }
    }
    assert!(target::for_record(raw.as_bytes()).len() <= 256);
});
