//! Certificates and keys: those that settings name, and those that lie in their folders.

use std::collections::BTreeMap;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use seawall_rules::exposure::Check;
use seawall_rules::exposure::catalogue::tls::*;
use seawall_rules::exposure::facts::{CertificateFile, File, PrivateKey, Use};

use super::Gathering;
use crate::exposure::certificate;
use crate::pki::{self, Key};

impl Gathering {
    pub(super) fn material(&mut self) {
        let mut files: BTreeMap<String, Use> = BTreeMap::new();
        let settings = self.facts.engines.iter().filter_map(|engine| engine.settings());
        for settings in settings.filter(|settings| settings.all("host").next().is_some()) {
            for (key, usage) in
                [("tlscacert", Use::Ca), ("tlscert", Use::Server), ("tlskey", Use::Server)]
            {
                let named = settings.one(key).map(|setting| &setting.value);
                // A distribution's bundle of CAs is not this engine's own.
                if let Some(path) = named.filter(|it| it.starts_with('/') && !is_bundled(it)) {
                    files.insert(path.clone(), usage);
                }
            }
        }
        let mut folders: Vec<_> = files
            .keys()
            .filter_map(|path| Some(path.rsplit_once('/')?.0.to_owned()))
            .filter(|folder| !is_bundled(folder))
            .collect();
        folders.extend(["/etc/docker", "/etc/docker/tls", "/etc/docker/ssl"].map(str::to_owned));
        let of_clients: Vec<_> =
            self.homes.iter().map(|(_, home)| format!("{home}/.docker")).collect();
        for folder in &folders {
            for path in self.pems(folder) {
                let usage = by_name(&path);
                files.entry(path).or_insert(usage);
            }
        }
        for folder in of_clients {
            let mut own = self.pems(&folder);
            let contexts = format!("{folder}/contexts/tls");
            for context in self.root.list(&contexts).known().unwrap_or_default() {
                own.extend(self.pems(&format!("{contexts}/{context}/docker")));
            }
            for path in own {
                files.entry(path.clone()).or_insert(match by_name(&path) {
                    // What vouches for an engine to a client is the client's own affair.
                    Use::Ca | Use::Unknown if path.ends_with("/ca.pem") => Use::Unknown,
                    Use::Ca => Use::Ca,
                    Use::Server => Use::Server,
                    Use::Client | Use::Unknown => Use::Client,
                });
            }
        }
        for (path, usage) in files {
            self.pem(&path, usage);
        }
        self.count_cas();
        self.folders_of_keys();
    }

    /// Files of a folder that may hold certificates or keys.
    fn pems(&self, folder: &str) -> Vec<String> {
        let names = self.root.list(folder).known().unwrap_or_default();
        let is_pem = |name: &&String| ENDINGS.iter().any(|ending| name.ends_with(ending));
        names.iter().filter(is_pem).map(|name| format!("{folder}/{name}")).collect()
    }

    /// Notes what a PEM file holds.
    pub(super) fn pem(&mut self, path: &str, usage: Use) {
        let checks: &[&Check] = &[&WEAK_KEY, &VALIDITY, &SERVER_USAGE, &CA_KEY_HERE];
        let (Some(access), Some(text)) = (self.root.access(path), self.text(path, checks)) else {
            return;
        };
        if let Ok(der) = CertificateDer::from_pem_slice(text.as_bytes()) {
            let spki = pki::Facts::from_der(&der).map(|facts| facts.spki);
            match (certificate::read(&der), spki) {
                (Some(certificate), Ok(spki)) => self.facts.certificates.push(CertificateFile {
                    path: path.to_owned(),
                    usage,
                    certificate,
                    spki,
                    access,
                }),
                _ => self.gap(checks, path, "its certificate cannot be read"),
            }
        }
        if text.contains("PRIVATE KEY-----") {
            self.facts.keys.push(PrivateKey {
                path: path.to_owned(),
                usage,
                spki: Key::from_pem(&text).ok().map(|key| key.public().spki()),
                encrypted: text.contains("ENCRYPTED"),
                access,
            });
        }
    }

    fn count_cas(&mut self) {
        for at in 0..self.facts.engines.len() {
            let settings = self.facts.engines[at].settings();
            let ca = settings.and_then(|settings| settings.one("tlscacert"));
            let Some(path) = ca.map(|ca| ca.value.clone()).filter(|path| path.starts_with('/'))
            else {
                continue;
            };
            let text = self.root.text(&path).known().unwrap_or_default();
            let count = text.matches("-----BEGIN CERTIFICATE-----").count();
            self.facts.engines[at].ca_count = Some(count);
        }
    }

    fn folders_of_keys(&mut self) {
        let paths = self.facts.keys.iter().filter_map(|key| key.path.rsplit_once('/'));
        let mut folders: Vec<_> = paths.map(|(folder, _)| folder.to_owned()).collect();
        folders.sort();
        folders.dedup();
        for path in folders.into_iter().filter(|path| !path.is_empty()) {
            if let Some(access) = self.root.access(&path) {
                self.facts.files.push(File { path, access, of_keys: true });
            }
        }
    }
}

/// Whether a path lies where a distribution keeps everybody's certificates.
fn is_bundled(path: &str) -> bool {
    ["/etc/ssl", "/etc/pki"].iter().any(|folder| path.starts_with(folder))
}

/// What a file is for, by what people call it.
pub(super) fn by_name(path: &str) -> Use {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let words: Vec<_> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    match () {
        () if words.contains(&"ca") || words.contains(&"cacert") => Use::Ca,
        () if words.contains(&"server") => Use::Server,
        () if words.contains(&"client") => Use::Client,
        () => Use::Unknown,
    }
}

pub(super) const ENDINGS: &[&str] = &[".pem", ".key", ".crt", ".cert", ".cer"];
