//! systemd units from where systemd looks for them.

use std::collections::BTreeMap;

use seawall_rules::exposure::Place;
use seawall_rules::exposure::catalogue::network::{PLAIN_TCP, SOCKET_UNIT};
use seawall_rules::exposure::read::unit::Unit;
use seawall_rules::exposure::read::variables;

use super::Gathering;

impl Gathering {
    /// A unit with its drop-ins, from `folders` in the order of their precedence.
    pub(super) fn unit(&mut self, folders: &[String], name: &str) -> Option<Unit> {
        let fragment = folders.iter().map(|folder| format!("{folder}/{name}"));
        let mut unit = Unit::default();
        let fragment = fragment.into_iter().find(|path| self.root.access(path).is_some())?;
        let mut files = vec![fragment];
        // Of drop-ins of one name the first folder's counts.
        let mut drop_ins = BTreeMap::new();
        for folder in folders {
            for path in self.beneath(&format!("{folder}/{name}.d"), ".conf") {
                let file = path.rsplit('/').next().unwrap_or_default().to_owned();
                drop_ins.entry(file).or_insert(path);
            }
        }
        files.extend(drop_ins.into_values());
        for path in files {
            if let Some(text) = self.text(&path, &[&PLAIN_TCP, &SOCKET_UNIT]) {
                unit.add(&text, &path);
            }
            if self.root.is_a_hosts() && !path.starts_with("/home/") {
                self.guarded(&path);
            }
        }
        Some(unit)
    }

    /// The variables of a unit: `Environment=`, and over it what its `EnvironmentFile=`s hold.
    pub(super) fn environment(&mut self, unit: &Unit) -> BTreeMap<String, (String, Place)> {
        let mut environment = unit.environment();
        for (file, _) in unit.values("Service", "EnvironmentFile") {
            let file = file.trim_start_matches('-');
            let Some(text) = self.text(file, &[&PLAIN_TCP]) else { continue };
            for variable in variables::variables(&text, file) {
                environment.insert(variable.name, (variable.value, variable.place));
            }
        }
        environment
    }
}

/// Where systemd looks for the system's units (systemd.unit(5)).
pub(super) fn system() -> Vec<String> {
    [
        "/etc/systemd/system",
        "/run/systemd/system",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Where systemd looks for a user's units.
pub(super) fn of_user(home: &str) -> Vec<String> {
    vec![
        format!("{home}/.config/systemd/user"),
        "/etc/systemd/user".to_owned(),
        "/usr/lib/systemd/user".to_owned(),
    ]
}
