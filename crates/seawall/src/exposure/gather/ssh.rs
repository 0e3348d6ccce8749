//! The ways in over SSH.

use seawall_rules::exposure::Check;
use seawall_rules::exposure::catalogue::access::*;
use seawall_rules::exposure::read::ssh::{self, SshdSetting};

use super::Gathering;

impl Gathering {
    pub(super) fn ssh(&mut self) {
        let checks: [&Check; 2] = [&SSH_KEY_UNRESTRICTED, &SSH_FORWARDING];
        for (user, home) in self.homes.clone() {
            for file in ["authorized_keys", "authorized_keys2"] {
                let path = format!("{home}/.ssh/{file}");
                if let Some(text) = self.text(&path, &checks) {
                    let keys = ssh::authorized_keys(&text, &path);
                    let keys = keys.into_iter().map(|key| (user.clone(), key));
                    self.facts.authorized_keys.extend(keys);
                }
            }
        }
        self.facts.sshd = self.sshd("/etc/ssh/sshd_config");
    }

    /// A configuration with what it includes, at the place where it does (sshd_config(5)).
    fn sshd(&mut self, path: &str) -> Vec<SshdSetting> {
        let checks: [&Check; 2] = [&SSHD_SETTINGS, &SSH_USER_CA];
        let Some(text) = self.text(path, &checks) else { return Vec::new() };
        let mut settings = Vec::new();
        for setting in ssh::sshd(&text, path) {
            if setting.name != "include" {
                settings.push(setting);
                continue;
            }
            for pattern in setting.value.split(' ') {
                let pattern = match pattern.starts_with('/') {
                    true => pattern.to_owned(),
                    false => format!("/etc/ssh/{pattern}"),
                };
                let files = match pattern.strip_suffix("/*.conf") {
                    Some(folder) => self.beneath(folder, ".conf"),
                    None if pattern.contains('*') => {
                        self.gap(&checks, &pattern, "this pattern of files is not followed");
                        Vec::new()
                    }
                    None => vec![pattern],
                };
                for file in files {
                    let Some(text) = self.text(&file, &checks) else { continue };
                    // What is included in a block is of that block.
                    settings.extend(ssh::sshd(&text, &file).into_iter().map(|mut included| {
                        included.matching = included.matching.or_else(|| setting.matching.clone());
                        included
                    }));
                }
            }
        }
        settings
    }
}
