//! Variables as they are set in profiles, `/etc/environment`, environment files, Dockerfiles and
//! CI jobs.

use super::super::Place;
use super::words;

/// A variable that is set somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value as written, without quotes.
    pub value: String,
    /// Where.
    pub place: Place,
}

/// Every line of `file` that sets a variable: `NAME=value`, `export NAME=value`,
/// `setenv NAME value`, `set -gx NAME value`, `ENV NAME=value`, and in YAML `NAME: value` and
/// `- NAME=value`.
pub fn variables(text: &str, file: &str) -> Vec<Variable> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(at, line)| {
            let (name, value) = assignment(line)?;
            let place = Place { name: file.to_owned(), line: u32::try_from(at + 1).ok() };
            Some(Variable { name, value, place })
        })
        .collect()
}

/// A NUL-separated environment, as `/proc/PID/environ` has it.
pub fn environ(bytes: &[u8], file: &str) -> Vec<Variable> {
    let text = String::from_utf8_lossy(bytes);
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| Variable {
            name: name.to_owned(),
            value: value.to_owned(),
            place: Place::whole(file),
        })
        .collect()
}

fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.trim_start();
    let line = line.strip_prefix("- ").unwrap_or(line).trim_start();
    if line.starts_with('#') {
        return None;
    }
    let mut found = words(line).into_iter();
    let mut first = found.next()?;
    while matches!(first.as_str(), "export" | "ENV" | "declare" | "set" | "setenv" | "env")
        || (first.starts_with('-') && !first.contains('='))
    {
        first = found.next()?;
    }
    let (name, value) = match first.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.trim_end_matches(';').to_owned()),
        None => {
            let name = first.strip_suffix(':').unwrap_or(&first).to_owned();
            (name, found.next()?.trim_end_matches(';').to_owned())
        }
    };
    // Lower-case names are a script's own.
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    (!name.is_empty() && name.chars().all(plain)).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_set_a_variable_is_read() {
        for line in [
            "DOCKER_HOST=tcp://h:2375",
            "  export DOCKER_HOST=\"tcp://h:2375\"  # old",
            "export DOCKER_HOST='tcp://h:2375';",
            "setenv DOCKER_HOST tcp://h:2375",
            "set -gx DOCKER_HOST tcp://h:2375",
            "ENV DOCKER_HOST tcp://h:2375",
            "    DOCKER_HOST: tcp://h:2375",
            "  - DOCKER_HOST=tcp://h:2375",
            "  - \"DOCKER_HOST=tcp://h:2375\"",
        ] {
            let found = variables(line, "f");
            assert_eq!(found.len(), 1, "{line}");
            assert_eq!(
                (found[0].name.as_str(), found[0].value.as_str()),
                ("DOCKER_HOST", "tcp://h:2375"),
                "{line}"
            );
        }
        assert_eq!(variables("# DOCKER_HOST=tcp://h:2375\n\nif [ -x a ]; then\n", "f"), []);
    }

    #[test]
    fn an_environment_is_parted_by_nul() {
        let found = environ(b"A=b\0DOCKER_TLS_VERIFY=\0", "/proc/1/environ");
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].name.as_str(), found[1].value.as_str()), ("DOCKER_TLS_VERIFY", ""));
    }
}
