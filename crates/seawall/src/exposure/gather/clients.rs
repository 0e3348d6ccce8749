//! Where this host's clients point: variables, contexts, connections.

use seawall_rules::exposure::Place;
use seawall_rules::exposure::catalogue::access::*;
use seawall_rules::exposure::facts::Context;
use seawall_rules::exposure::read::context;
use seawall_rules::exposure::read::variables::{self, Variable};

use super::Gathering;

impl Gathering {
    pub(super) fn clients(&mut self) {
        for path in PROFILES {
            self.profile(path);
        }
        for path in self.beneath("/etc/profile.d", ".sh") {
            self.profile(&path);
        }
        for (_, home) in self.homes.clone() {
            for file in OWN_PROFILES {
                self.profile(&format!("{home}/{file}"));
            }
            self.docker_folder(&format!("{home}/.docker"));
            self.podman_connections(&format!("{home}/.config/containers/podman-connections.json"));
        }
        if self.is_live {
            for name in ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_TLS"] {
                if let Ok(value) = std::env::var(name) {
                    let place = Place::whole("the environment of this command");
                    self.facts.variables.push(Variable { name: name.to_owned(), value, place });
                }
            }
        }
    }

    /// The variables of docker's that a file sets.
    pub(super) fn profile(&mut self, path: &str) {
        let Some(text) = self.text(path, &[&PLAIN_DOCKER_HOST]) else { return };
        let all = variables::variables(&text, path);
        self.facts.variables.extend(all.into_iter().filter(|it| it.name.starts_with("DOCKER_")));
    }

    fn docker_folder(&mut self, folder: &str) {
        let path = format!("{folder}/config.json");
        if let Some(text) = self.text(&path, &[&REMOTE_CURRENT]) {
            let read = context::current_context(&text, &path);
            let read = self.understood(read, &path).flatten();
            self.facts.current_contexts.extend(read);
        }
        let contexts = format!("{folder}/contexts/meta");
        for id in self.root.list(&contexts).known().unwrap_or_default() {
            self.context(&format!("{contexts}/{id}/meta.json"));
        }
        for name in ["settings-store.json", "settings.json"] {
            self.desktop(&format!("{folder}/desktop/{name}"));
        }
    }

    pub(super) fn context(&mut self, path: &str) {
        let Some(text) = self.text(path, &[&PLAIN_CONTEXT, &SKIP_VERIFY]) else { return };
        let read = context::context(&text, path);
        if let Some(connection) = self.understood(read, path) {
            let tls = path.replace("/meta/", "/tls/").replace("/meta.json", "/docker");
            let has_tls = ["ca.pem", "cert.pem"]
                .iter()
                .any(|file| self.root.access(&format!("{tls}/{file}")).is_some());
            self.facts.contexts.push(Context { connection, has_tls });
        }
    }

    pub(super) fn podman_connections(&mut self, path: &str) {
        let Some(text) = self.text(path, &[&PLAIN_TOOL]) else { return };
        let read = context::podman_connections(&text, path);
        let read = self.understood(read, path).unwrap_or_default();
        self.facts.tools.extend(read);
    }

    pub(super) fn desktop(&mut self, path: &str) {
        use seawall_rules::exposure::catalogue::network::DESKTOP_TCP;
        let Some(text) = self.text(path, &[&DESKTOP_TCP]) else { return };
        self.facts.desktop = true;
        let read = context::desktop_opens_tcp(&text, path);
        let read = self.understood(read, path).flatten();
        self.facts.desktop_tcp.extend(read);
    }
}

const PROFILES: &[&str] = &[
    "/etc/environment",
    "/etc/profile",
    "/etc/bash.bashrc",
    "/etc/bashrc",
    "/etc/zsh/zshenv",
    "/etc/zsh/zprofile",
    "/etc/zsh/zshrc",
];

const OWN_PROFILES: &[&str] = &[
    ".bash_profile",
    ".bashrc",
    ".config/fish/config.fish",
    ".cshrc",
    ".pam_environment",
    ".profile",
    ".zprofile",
    ".zshenv",
    ".zshrc",
];
