//! What the writer of an unknown key may have meant.

use super::keys::{KEYS, Key, SECTIONS, last};

/// The hint for an unknown key: the nearest known one, or what its section knows.
pub(super) fn nearest(name: &str) -> String {
    let section = name.split_once('.').map_or("", |(section, _)| section);
    let likeness = |known: &str| {
        let of = known.split_once('.').map_or("", |(of, _)| of);
        // The right key in the wrong section is nearly as near as a slip in the right one.
        strsim::jaro_winkler(last(name), last(known)) - if of == section { 0.0 } else { 0.05 }
    };
    let sections = SECTIONS.iter().map(|(known, _)| *known);
    let sections = sections.filter(|known| !known.is_empty() && section.is_empty());
    let best = KEYS
        .iter()
        .map(|key| key.name)
        .chain(sections)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match best {
        Some(best) if likeness(best) > 0.8 => {
            let (in_section, key) = best.split_once('.').unwrap_or(("", best));
            match in_section {
                "" => format!("the nearest known key is `{best}`"),
                same if same == section => format!("the nearest known key is `{key}`"),
                other => format!("the nearest known key is `{key}` in `[{other}]`"),
            }
        }
        _ => {
            let siblings = KEYS.iter().map(Key::split).filter(|(of, _)| *of == section);
            let names: Vec<_> = siblings.map(|(_, key)| format!("`{key}`")).collect();
            match (section, names.is_empty()) {
                ("", _) | (_, true) => "`docs/reference/config.md` lists every key".to_owned(),
                (section, false) => format!("the keys of `[{section}]` are {}", names.join(", ")),
            }
        }
    }
}
