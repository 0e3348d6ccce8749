//! Seawall's own configuration, read as the gate reads it.

use std::path::{Path, PathBuf};

use seawall_rules::exposure::facts::Gate;

use super::{Gathering, Seen};
use crate::cli::Context;
use crate::cli::report::Error;
use crate::config::{self, Listen, OnFailure, Overrides};

impl Gathering {
    pub(super) fn gate(&mut self, file: &Path, state: &Path) {
        let path = file.to_string_lossy().into_owned();
        let state = state.to_string_lossy().into_owned();
        let state_access = self.root.access(&state).map(|access| (state.clone(), access));
        let mut gate = Gate {
            file: path.clone(),
            problem: None,
            open: Vec::new(),
            serves_unrecorded: false,
            // With the keys in it, and the CA's among them unless it was taken offline.
            holds_ca_key: false,
            state: state_access,
        };
        let text = match self.root.text(&path) {
            Seen::Known(text) => text,
            Seen::Absent => return,
            Seen::Unreadable(why) => {
                use seawall_rules::exposure::catalogue::gate::*;
                self.gap(&[&GATE_CONFIG, &GATE_EVERYONE, &GATE_AUDIT], &path, &why);
                self.facts.gate = Some(gate);
                return;
            }
        };
        let context =
            Context { config_file: file.to_owned(), state_dir: PathBuf::from(&state), json: false };
        let writable = self.root.access(&path).is_some_and(|it| it.others_write() || it.uid != 0);
        let ours = self.root.access(&path).map(|access| access.uid);
        let ours = ours == Some(nix::unistd::geteuid().as_raw());
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
                let open = config.listen.iter().filter_map(|listen| match listen {
                    Listen::Tcp { at, networks } | Listen::Ssh { at, networks } => {
                        networks.is_everyone().then(|| at.address())
                    }
                    Listen::Fd { .. } | Listen::Unix { .. } => None,
                });
                if config.networks.is_everyone() {
                    gate.open = open.collect();
                }
            }
        }
        self.facts.gate = Some(gate);
    }
}

/// The first complaint about a configuration, and its first hint.
fn problem(error: &Error) -> (String, String) {
    let line = error.message.lines().next().unwrap_or_default();
    let hint = error.hints.first().map_or("see `seawall serve`", String::as_str);
    (line.to_owned(), hint.to_owned())
}
