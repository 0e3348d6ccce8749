//! systemd units with their drop-ins.

use std::collections::BTreeMap;

use super::super::Place;
use super::words;

/// A unit as systemd puts it together: the fragment, then its drop-ins in the order of their
/// names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    section: String,
    key: String,
    value: String,
    place: Place,
}

impl Unit {
    /// Adds a file's lines to the unit.
    pub fn add(&mut self, text: &str, file: &str) {
        let mut section = String::new();
        let mut lines = text.lines().enumerate();
        while let Some((at, line)) = lines.next() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
                continue;
            }
            // A backslash at the end joins the next line; comments in between are passed over.
            let mut whole = line.to_owned();
            while let Some(begun) = whole.strip_suffix('\\') {
                whole = format!("{begun} ");
                let next = lines.by_ref().map(|(_, next)| next.trim());
                match { next }.find(|next| !next.starts_with(['#', ';'])) {
                    Some(next) => whole.push_str(next),
                    None => break,
                }
            }
            if let Some((key, value)) = whole.split_once('=') {
                self.lines.push(Line {
                    section: section.clone(),
                    key: key.trim_end().to_owned(),
                    value: value.trim().to_owned(),
                    place: Place { name: file.to_owned(), line: u32::try_from(at + 1).ok() },
                });
            }
        }
    }

    /// The values of a list; an empty one takes away what stands before it.
    pub fn values<'a>(&'a self, section: &str, key: &str) -> Vec<(&'a str, &'a Place)> {
        let mut values = Vec::new();
        for line in &self.lines {
            if line.section == section && line.key == key {
                match line.value.as_str() {
                    "" => values.clear(),
                    value => values.push((value, &line.place)),
                }
            }
        }
        values
    }

    /// What `Environment=` sets, each variable with its place.
    pub fn environment(&self) -> BTreeMap<String, (String, Place)> {
        let mut set = BTreeMap::new();
        for (value, place) in self.values("Service", "Environment") {
            for word in words(value) {
                if let Some((name, value)) = word.split_once('=') {
                    set.insert(name.to_owned(), (value.to_owned(), place.clone()));
                }
            }
        }
        set
    }

    /// The command line of the first `ExecStart=` whose program is called one of `programs`, with
    /// variables put in (systemd.service(5), "Command lines"), and its place.
    pub fn command(
        &self,
        programs: &[&str],
        environment: &BTreeMap<String, (String, Place)>,
    ) -> Option<(Vec<String>, Place)> {
        self.values("Service", "ExecStart").into_iter().find_map(|(value, place)| {
            let value = value.trim_start_matches(['@', '-', ':', '+', '!', '|']);
            let command: Vec<_> =
                words(value).iter().flat_map(|word| expanded(word, environment)).collect();
            let at = command
                .iter()
                .position(|word| programs.contains(&word.rsplit('/').next().unwrap_or_default()))?;
            Some((command[at..].to_vec(), place.clone()))
        })
    }
}

/// `$NAME` alone is split into words; `${NAME}` is put in where it stands.
fn expanded(word: &str, environment: &BTreeMap<String, (String, Place)>) -> Vec<String> {
    let value = |name: &str| environment.get(name).map_or("", |(value, _)| value.as_str());
    if let Some(name) = word.strip_prefix('$')
        && !name.starts_with('{')
    {
        return words(value(name));
    }
    let mut text = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        text += before;
        text += value(name);
        rest = behind;
    }
    vec![text + rest]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_in_takes_away_and_adds() {
        let mut unit = Unit::default();
        unit.add(
            "# docker\n[Unit]\nExecStart=no\n[Service]\nEnvironment=\"OPTS=-H tcp://:1 -D\" A=b\n\
             ExecStart=/usr/bin/dockerd -H fd:// \\\n  # why\n  --tls $OPTS ${A}x\n",
            "docker.service",
        );
        let environment = unit.environment();
        let (command, place) = unit.command(&["dockerd"], &environment).unwrap();
        assert_eq!(
            command,
            ["/usr/bin/dockerd", "-H", "fd://", "--tls", "-H", "tcp://:1", "-D", "bx"]
        );
        assert_eq!(place.to_string(), "docker.service:6");
        unit.add("[Service]\nExecStart=\nExecStart=-/usr/bin/dockerd\n", "override.conf");
        let (command, place) = unit.command(&["dockerd"], &environment).unwrap();
        assert_eq!(command, ["/usr/bin/dockerd"]);
        assert_eq!(place.to_string(), "override.conf:3");
        assert_eq!(unit.command(&["podman"], &environment), None);
    }

    #[test]
    fn a_program_behind_another_is_found() {
        let mut unit = Unit::default();
        unit.add("[Service]\nExecStart=/usr/bin/nice -n 5 /usr/bin/dockerd -D\n", "u");
        let (command, _) = unit.command(&["dockerd"], &BTreeMap::new()).unwrap();
        assert_eq!(command, ["/usr/bin/dockerd", "-D"]);
    }

    #[test]
    fn sockets_of_a_unit_are_a_list() {
        let mut unit = Unit::default();
        unit.add("[Socket]\nListenStream=/run/docker.sock\nListenStream = 2375\n", "docker.socket");
        let streams: Vec<_> =
            unit.values("Socket", "ListenStream").iter().map(|(value, _)| *value).collect();
        assert_eq!(streams, ["/run/docker.sock", "2375"]);
    }
}
