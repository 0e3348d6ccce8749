//! Reading what configures engines, clients and the ways to them: texts in, values out. What a
//! program would refuse or read otherwise is said, not guessed.

pub mod accounts;
pub mod command_line;
pub mod compose;
pub mod context;
pub mod daemon_json;
pub mod endpoint;
pub mod inspect;
pub mod sockets;
pub mod ssh;
pub mod unit;
pub mod variables;
mod yaml;

use serde_json::{Map, Value};

use crate::json;

/// Words as a shell or systemd splits them: blanks part them, quotes hold them together, a
/// backslash takes the next character as it is.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => {
                word.get_or_insert_default().extend(characters.next());
            }
            (_, Some(open)) if character == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (_, None) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// A JSON object that no reader takes for another: no key twice.
fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    let document = json::parse_with(text.as_bytes(), json::Names::Exact)
        .map_err(|refusal| refusal.reason.replacen("the body", "it", 1))?;
    match document.value() {
        Value::Object(object) => Ok(object.clone()),
        _ => Err("it is not a JSON object".to_owned()),
    }
}

/// The line, counted from 1, on which `needle` first stands.
pub(crate) fn line_of(text: &str, needle: &str) -> Option<u32> {
    let at = text.lines().position(|line| line.contains(needle))?;
    u32::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Place;

    proptest! {
        // What a repository holds may be anything.
        #[test]
        fn no_text_makes_a_reader_panic(
            text in "(?s)([-:{}\\[\\],&*!|>\"'#%@ \n\t=\\\\]|[a-zA-Z0-9/.]{1,4}|services|volumes|ssh-rsa|\\PC){0,60}"
        ) {
            let _ = super::compose::read(&text, "f", &|_| Some(text.clone()));
            let _ = super::daemon_json::read(&text, "f");
            let _ = super::context::context(&text, "f");
            let _ = super::variables::variables(&text, "f");
            let _ = super::ssh::authorized_keys(&text, "f");
            let _ = super::ssh::sshd(&text, "f");
            let _ = super::sockets::listening(&text);
            let _ = super::endpoint::Endpoint::of_engine(&text, false);
            let mut unit = super::unit::Unit::default();
            unit.add(&text, "f");
            let _ = unit.command(&["dockerd"], &unit.environment());
            let _ = super::command_line::dockerd(&super::words(&text), &Place::whole("f"));
        }
    }

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("  a  b\tc ", &["a", "b", "c"]),
            (r#"-H "tcp://x y" 'a"b'"#, &["-H", "tcp://x y", "a\"b"]),
            (r#"a\ b "c\"d" '' e"f"g"#, &["a b", "c\"d", "", "efg"]),
            (r"'a\b'", &[r"a\b"]),
        ];
        for (line, words) in cases {
            assert_eq!(super::words(line), *words, "{line}");
        }
    }
}
