//! Seawall's own configuration, read as the gate reads it.

use std::path::{Path, PathBuf};

use seawall_rules::exposure::facts::Gate;

use super::{Gathering, Seen};
use crate::cli::Context;
use crate::cli::report::Error;
use crate::config::{self, Config, Listen, OnFailure, Overrides};

impl Gathering {
    /// Returns it where it is valid.
    pub(super) fn gate(&mut self, file: &Path, state: &Path) -> Option<Config> {
        let path = file.to_string_lossy().into_owned();
        let state = state.to_string_lossy().into_owned();
        let state_access = self.root.access(&state).map(|access| (state.clone(), access));
        let mut gate = Gate {
            file: path.clone(),
            problem: None,
            listens: Vec::new(),
            allow: Vec::new(),
            open: Vec::new(),
            serves_unrecorded: false,
            // With the keys in it, and the CA's among them unless it was taken offline.
            holds_ca_key: false,
            state: state_access,
        };
        let text = match self.root.text(&path) {
            Seen::Known(text) => text,
            Seen::Absent => return None,
            Seen::Unreadable(why) => {
                use seawall_rules::exposure::catalogue::gate::*;
                self.gap(&[&GATE_CONFIG, &GATE_EVERYONE, &GATE_AUDIT], &path, &why);
                self.facts.gate = Some(gate);
                return None;
            }
        };
        let context =
            Context { config_file: file.to_owned(), state_dir: PathBuf::from(&state), json: false };
        let writable = self.root.access(&path).is_some_and(|it| it.others_write() || it.uid != 0);
        let ours = self.root.access(&path).map(|access| access.uid);
        let ours = ours == Some(nix::unistd::geteuid().as_raw());
        let mut valid = None;
        match config::interpret(&text, &context, &Overrides::default()) {
            _ if writable && !ours => {
                let fix = format!("sudo chown root {path} && sudo chmod 0644 {path}");
                gate.problem = Some(("others may change it".to_owned(), fix));
            }
            Err(error) => gate.problem = Some(problem(&error)),
            Ok(config) => {
                gate.serves_unrecorded = config.audit.on_failure == OnFailure::Continue;
                gate.holds_ca_key = config.tls.outside.is_none()
                    && self.root.access(&format!("{state}/seawall.db")).is_some();
                let listens = config.listen.iter().filter_map(|listen| match listen {
                    Listen::Tcp { at, networks } | Listen::Ssh { at, networks } => {
                        Some((at.address(), networks.is_everyone()))
                    }
                    Listen::Fd { .. } | Listen::Unix { .. } => None,
                });
                for (address, open) in listens {
                    gate.listens.push(address);
                    if open && config.networks.is_everyone() {
                        gate.open.push(address);
                    }
                }
                gate.allow = config.networks.allowed().to_vec();
                valid = Some(config);
            }
        }
        self.facts.gate = Some(gate);
        valid
    }
}

/// The first complaint about a configuration, and its first hint.
fn problem(error: &Error) -> (String, String) {
    let line = error.message.lines().next().unwrap_or_default();
    let hint = error.hints.first().map_or("see `seawall serve`", String::as_str);
    (line.to_owned(), hint.to_owned())
}
