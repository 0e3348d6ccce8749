//! A reply comes out the same whole and in pieces, as JSON again, and with no secret in it.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use seawall_rules::operation::Operation;
use seawall_rules::reply::{Broken, Edit, Editor};
use serde_json::value::RawValue;

const OPERATIONS: [Operation; 6] = [
    Operation::ContainerInspect,
    Operation::ContainerList,
    Operation::NetworkList,
    Operation::SystemDataUsage,
    Operation::SystemEvents,
    Operation::VolumeList,
];

fuzz_target!(|data: &[u8]| {
    let [choice, size, reply @ ..] = data else { return };
    let operation = OPERATIONS[usize::from(choice & 7) % OPERATIONS.len()];
    let edit = Edit {
        redact: (choice & 8 == 0).then(Arc::default),
        keep: (choice & 24 != 0).then(|| -> seawall_rules::reply::Keep {
            Arc::new(|object| object.id.len() % 2 == 0)
        }),
    };
    let Some(whole) = edited(operation, &edit, reply, reply.len().max(1)) else { return };
    let pieces = edited(operation, &edit, reply, usize::from(*size).max(1));
    assert_eq!(pieces.as_ref(), Some(&whole));
    let Ok(shown) = whole else { return };
    if operation == Operation::SystemEvents {
        let text = String::from_utf8(shown).expect("text");
        for event in text.split(['\u{1e}', '\n']).filter(|event| !event.is_empty()) {
            serde_json::from_str::<&RawValue>(event).expect("an event is one value");
        }
    } else if !shown.is_empty() {
        serde_json::from_slice::<&RawValue>(&shown).expect("one value");
    }
});

/// `None` where there is nothing to edit.
fn edited(
    operation: Operation,
    edit: &Edit,
    reply: &[u8],
    size: usize,
) -> Option<Result<Vec<u8>, Broken>> {
    let mut editor = Editor::new(operation, edit)?;
    let mut out = Vec::new();
    let done = reply.chunks(size).try_for_each(|piece| editor.push(piece, &mut out));
    Some(done.and_then(|()| editor.end(&mut out)).map(|()| out))
}
