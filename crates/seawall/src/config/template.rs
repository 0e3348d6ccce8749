//! A new `seawall.toml`, every key explained, those that are set uncommented.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::keys::{KEYS, SECTIONS};

/// The text of a configuration in which `set` (key to TOML value) is set and all else is its
/// default, commented out. `state_dir` stands where the defaults depend on it.
pub fn commented(set: &BTreeMap<&str, String>, state_dir: &str) -> String {
    let mut text = "# The configuration of Seawall. What is commented out is the default.\n\
        # `seawall reload` puts changes into force; `seawall serve --check` only checks them.\n"
        .to_owned();
    for (section, about) in SECTIONS {
        text.push('\n');
        let keys: Vec<_> = KEYS.iter().filter(|key| key.split().0 == *section).collect();
        if !section.is_empty() {
            comment(about, &mut text);
            text += &format!("[{section}]\n");
        }
        for key in keys {
            comment(key.meaning, &mut text);
            let (_, name) = key.split();
            text += &match (set.get(key.name), key.default) {
                (Some(value), _) => format!("{name} = {value}\n"),
                (None, Some(default)) => {
                    format!("#{name} = {}\n", default.replace("STATE", state_dir))
                }
                (None, None) => format!("#{name} = {}\n", key.example),
            };
        }
    }
    text
}

/// A list of texts as TOML.
pub fn toml_list(texts: &[String]) -> String {
    // A Rust string of printable characters is a TOML basic string; others are refused when the
    // result is read back.
    let texts: Vec<_> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", texts.join(", "))
}

/// The same file, an operator's own perhaps, with these `hostnames`; every other byte stays.
pub fn with_hostnames(text: &str, names: &[String]) -> String {
    let list = toml_list(names);
    let document = DeTable::parse(text).ok();
    let there = document.as_ref().and_then(|table| table.get_ref().get("hostnames"));
    match there.map(toml::Spanned::span) {
        Some(span) => format!("{}{list}{}", &text[..span.start], &text[span.end..]),
        None => format!("hostnames = {list}\n{text}"),
    }
}

fn comment(text: &str, out: &mut String) {
    let mut line = "#".to_owned();
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > 95 {
            *out += &line;
            out.push('\n');
            line = "#".to_owned();
        }
        line.push(' ');
        line += word;
    }
    *out += &line;
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::{Overrides, interpret as interpreted};
    use super::*;
    use crate::cli::Context;

    fn interpret(text: &str) -> String {
        let context = Context {
            config_file: "/etc/seawall/seawall.toml".into(),
            state_dir: "/var/lib/seawall".into(),
            json: false,
        };
        match interpreted(text, &context, &Overrides::default()) {
            Ok(config) => format!("{config:#?}"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_is_commented_out_is_the_default() {
        let template = commented(&BTreeMap::new(), "/var/lib/seawall");
        // Keys without a default show an example instead and stay out.
        let optional: Vec<_> =
            KEYS.iter().filter(|key| key.default.is_none()).map(|key| key.split().1).collect();
        let uncommented: String = template
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(set) if !set.starts_with(' ') => {
                    let name = set.split(' ').next().unwrap();
                    if optional.contains(&name) { String::new() } else { format!("{set}\n") }
                }
                _ => format!("{line}\n"),
            })
            .collect();
        assert!(uncommented.contains("\nhandshake = \"10s\"\n"));
        assert_eq!(interpret(&uncommented), interpret(""));
        assert_eq!(interpret(&template), interpret(""));
    }

    #[test]
    fn what_is_set_stands_uncommented_in_its_section() {
        let set = BTreeMap::from([("network.allow", r#"["10.0.0.0/8"]"#.to_owned())]);
        let template = commented(&set, "/var/lib/seawall");
        assert!(template.contains("\n[network]\n"), "{template}");
        assert!(template.contains("\nallow = [\"10.0.0.0/8\"]\n"), "{template}");
        assert_ne!(interpret(&template), interpret(""));
    }

    #[test]
    fn names_are_added_without_touching_the_rest_of_the_file() {
        let names = ["a".to_owned(), "::1".to_owned()];
        let there = "# mine\nhostnames = [\n  \"x\", # old\n]  # end\n[limits]\n";
        assert_eq!(
            with_hostnames(there, &names),
            "# mine\nhostnames = [\"a\", \"::1\"]  # end\n[limits]\n"
        );
        let absent = "# mine\n[limits]\n";
        assert_eq!(
            with_hostnames(absent, &names),
            "hostnames = [\"a\", \"::1\"]\n# mine\n[limits]\n"
        );
    }

    #[test]
    fn the_reference_of_the_configuration_is_the_table_of_keys() {
        let mut page = "# `seawall.toml`\n\nGenerated from the code; do not edit. Every key has \
            a default; an unknown key is an\nerror. `STATE` is the state folder, \
            `/var/lib/seawall` for root. Times are written `10s`, `15m`,\n`1h30m`, sizes `64KiB`, \
            `4MiB`. Relative paths start at the folder of the file.\n"
            .to_owned();
        for (section, about) in SECTIONS {
            let title =
                if section.is_empty() { "Top of the file" } else { &format!("`[{section}]`") };
            page += &format!("\n## {title}\n\n{about}\n\n| key | value | default | meaning |\n");
            page += "| --- | --- | --- | --- |\n";
            for key in KEYS.iter().filter(|key| key.split().0 == *section) {
                page += &format!(
                    "| `{}` | {} | {} | {} |\n",
                    key.split().1,
                    key.kind.range(),
                    key.default.map_or("none".to_owned(), |default| format!("`{default}`")),
                    key.meaning,
                );
            }
        }
        crate::cli::reference::assert_matches_checked_in("config.md", &page);
    }
}
