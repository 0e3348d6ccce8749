//! Gathers what is judged of a host or a folder. Reads and asks; changes nothing.

mod answers;
mod clients;
mod containers;
mod engines;
mod filter;
mod gate;
mod listeners;
mod material;
mod processes;
mod ssh;
mod strays;
mod units;
mod unix_sockets;

use std::io;
use std::path::Path;
use std::time::SystemTime;

use seawall_rules::exposure::catalogue::access;
use seawall_rules::exposure::facts::{Accounts, Facts, File, Gap};
use seawall_rules::exposure::read::accounts;
use seawall_rules::exposure::{Check, Place, catalogue};

use super::root::{Root, Seen};
use crate::cli::Context;
use crate::firewall::live::Live;

/// Looks at the host it runs on: files, processes, sockets, and the local engine's containers.
///
/// # Errors
/// When the host's root cannot be opened.
pub fn host(context: &Context) -> io::Result<Facts> {
    gather(Root::open(Path::new("/"))?, Some(context))
}

/// Looks at the files of a folder: an unpacked image, or a repository of configuration.
///
/// # Errors
/// When the folder cannot be opened.
pub fn folder(folder: &Path) -> io::Result<Facts> {
    gather(Root::open(folder)?, None)
}

fn gather(root: Root, live: Option<&Context>) -> io::Result<Facts> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let mut gathering = Gathering {
        root,
        is_live: live.is_some(),
        facts: Facts { now, ..Facts::default() },
        homes: Vec::new(),
        rules: None,
    };
    gathering.accounts();
    let processes = gathering.processes();
    gathering.engines(&processes);
    gathering.listeners(&processes);
    gathering.unix_sockets();
    gathering.clients();
    gathering.ssh();
    let gate = if let Some(context) = live {
        gathering.running_containers();
        gathering.gate(&context.config_file, &context.state_dir)
    } else {
        gathering.strays();
        gathering.gate(Path::new("/etc/seawall/seawall.toml"), Path::new("/var/lib/seawall"))
    };
    gathering.filter(live, gate.as_ref());
    gathering.cron();
    gathering.material();
    gathering.host_files();
    Ok(gathering.facts)
}

/// What is being looked at, and what was seen so far.
struct Gathering {
    root: Root,
    /// Whether it is the host this runs on: its processes, sockets and engine can be asked.
    is_live: bool,
    facts: Facts,
    /// Home directories with their users' names.
    homes: Vec<(String, String)>,
    /// The rules that count: in force, or those of a folder.
    rules: Option<Live>,
}

impl Gathering {
    fn accounts(&mut self) {
        let text = |path| self.root.text(path).known().unwrap_or_default();
        let users = accounts::users(&text("/etc/passwd"));
        let groups = accounts::groups(&text("/etc/group"));
        let others = accounts::other_sources(&text("/etc/nsswitch.conf"));
        self.facts.accounts = Accounts { users, groups };
        if !others.is_empty() {
            let why = format!("groups come from {} too, which is not asked", others.join(", "));
            self.gap(&[&catalogue::socket::SOCKET_GROUP], "/etc/nsswitch.conf", &why);
        }
        let own = self.facts.accounts.users.iter();
        let own = own.filter(|user| user.uid == 0 || user.uid >= FIRST_PERSON);
        let own = own.filter(|user| user.home.len() > 1 && user.home != "/nonexistent");
        self.homes = own.map(|user| (user.name.clone(), user.home.clone())).collect();
        for name in self.root.list("/home").known().unwrap_or_default() {
            let home = format!("/home/{name}");
            if !self.homes.iter().any(|(_, known)| *known == home) {
                self.homes.push((name, home));
            }
        }
        if !self.homes.iter().any(|(_, home)| home == "/root") {
            self.homes.push(("root".to_owned(), "/root".to_owned()));
        }
        // What is shut is told once, not for each of its files.
        for (_, home) in &self.homes {
            if let Seen::Unreadable(why) = self.root.list(home) {
                self.facts.gaps.push(Gap {
                    checks: vec![
                        &access::SSH_KEY_UNRESTRICTED,
                        &access::SSH_FORWARDING,
                        &access::PLAIN_DOCKER_HOST,
                        &access::PLAIN_CONTEXT,
                        &access::SKIP_VERIFY,
                        &access::PLAIN_TOOL,
                        &catalogue::network::DESKTOP_TCP,
                        &catalogue::tls::CLIENT_KEY_MODE,
                    ],
                    subject: home.clone(),
                    why,
                });
            }
        }
        let root = &self.root;
        self.homes.retain(|(_, home)| !matches!(root.list(home), Seen::Unreadable(_)));
    }

    /// The text of a file that may be missing; if it may not be read, the checks that wanted it
    /// are blind.
    fn text(&mut self, path: &str, checks: &[&'static Check]) -> Option<String> {
        match self.root.text(path) {
            Seen::Known(text) => Some(text),
            Seen::Absent => None,
            Seen::Unreadable(why) => {
                self.gap(checks, path, &why);
                None
            }
        }
    }

    /// Takes in what a reader made of a file, or that it could not.
    fn understood<T>(&mut self, read: Result<T, String>, path: &str) -> Option<T> {
        read.map_err(|why| self.facts.broken.push((Place::whole(path), why))).ok()
    }

    fn gap(&mut self, checks: &[&'static Check], subject: &str, why: &str) {
        self.facts.gaps.push(Gap {
            checks: checks.to_vec(),
            subject: subject.to_owned(),
            why: why.to_owned(),
        });
    }

    /// Notes a file that nobody but root should change.
    fn guarded(&mut self, path: &str) {
        let known = self.facts.files.iter().any(|file| file.path == path);
        if let (false, Some(access)) = (known, self.root.access(path)) {
            self.facts.files.push(File { path: path.to_owned(), access, of_keys: false });
        }
    }

    fn host_files(&mut self) {
        if self.facts.engines.is_empty() || !self.root.is_a_hosts() {
            return;
        }
        for path in GUARDED {
            self.guarded(path);
        }
        let mut rules = String::new();
        let mut seen = false;
        for path in self.beneath("/etc/audit/rules.d", ".rules") {
            seen = true;
            rules += &self.text(&path, &[&catalogue::host::NO_AUDITD]).unwrap_or_default();
        }
        self.facts.auditd = seen.then_some(rules);
    }

    /// The files of a folder whose names end so, in order.
    fn beneath(&self, folder: &str, ending: &str) -> Vec<String> {
        let names = self.root.list(folder).known().unwrap_or_default();
        let names = names.into_iter().filter(|name| name.ends_with(ending));
        names.map(|name| format!("{folder}/{name}")).collect()
    }
}

/// uids below belong to services (login.defs(5), UID_MIN).
const FIRST_PERSON: u32 = 1000;

/// Files of an engine that nobody but root should change.
const GUARDED: &[&str] = &[
    "/etc/docker",
    "/etc/docker/daemon.json",
    "/etc/default/docker",
    "/etc/conf.d/docker",
    "/etc/sysconfig/docker",
    "/etc/containerd/config.toml",
    "/usr/bin/dockerd",
    "/usr/sbin/dockerd",
    "/usr/local/bin/dockerd",
    "/etc/systemd/system",
];
