//! Lines of a Dockerfile by which an imported or committed image gets its configuration.

use super::escape::{CHANGE, LABEL, WORKING_DIR};
use super::{Ask, RESERVED_LABELS};

/// Instructions that say something of the image and nothing else, in lower case. `ONBUILD` is a
/// line of somebody else's build.
const KNOWN: &[&str] = &[
    "cmd",
    "entrypoint",
    "env",
    "expose",
    "healthcheck",
    "label",
    "stopsignal",
    "user",
    "volume",
    "workdir",
];

/// What one line asks for. Its value may be a secret, and is not shown.
pub(super) fn read(line: &str) -> Vec<Ask> {
    let line = line.trim();
    if line.is_empty() {
        return Vec::new();
    }
    let escape = |escape| vec![Ask::Escape(escape, "set".to_owned())];
    let (name, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let name = name.to_ascii_lowercase();
    // The engine reads all lines as one file.
    let goes_on = line.contains(['\n', '\r', '\x0b', '\x0c']) || line.ends_with('\\');
    if goes_on || !KNOWN.contains(&name.as_str()) {
        return escape(CHANGE);
    }
    match name.as_str() {
        "label" if sets_reserved_label(rest) => vec![reserved_label()],
        "user" => vec![Ask::User(rest.trim().to_owned())],
        "workdir" if rest.contains(['$', '\\', '"', '\'']) => escape(CHANGE),
        "workdir" if super::container::is_in_proc(rest.trim()) => escape(WORKING_DIR),
        _ => Vec::new(),
    }
}

/// Setting a label of the gate's.
pub(crate) fn reserved_label() -> Ask {
    Ask::Escape(LABEL, "set".to_owned())
}

/// Whether what follows `LABEL` may come to a label of the gate's, once the engine has taken away
/// its quotes and filled in its variables.
pub(crate) fn sets_reserved_label(labels: &str) -> bool {
    let bare: String = labels.chars().filter(|c| !matches!(c, '\\' | '"' | '\'')).collect();
    let fills_in_a_name = bare.split_whitespace().enumerate().any(|(index, word)| {
        // `LABEL NAME VALUE` has its name without `=`.
        let name = word.split_once('=').map(|(name, _)| name).or((index == 0).then_some(word));
        name.is_some_and(|name| name.contains('$'))
    });
    fills_in_a_name || bare.contains(RESERVED_LABELS)
}
