//! Engines: as they run, and as they would start.

use seawall_rules::exposure::Place;
use seawall_rules::exposure::catalogue::engine::{FLAG_AND_FILE, NOT_RESTARTED, TLS_ENVIRONMENT};
use seawall_rules::exposure::catalogue::network::{PLAIN_TCP, UNVERIFIED_TLS};
use seawall_rules::exposure::facts::{Engine, Program, SocketUnit};
use seawall_rules::exposure::read::command_line::{self, Settings};
use seawall_rules::exposure::read::unit::Unit;
use seawall_rules::exposure::read::variables::{self, Variable};
use seawall_rules::exposure::read::{daemon_json, words};

use super::processes::Process;
use super::{Gathering, Root, Seen, units};
use crate::exposure::root::{of_process, plain};

impl Gathering {
    pub(super) fn engines(&mut self, processes: &[Process]) {
        self.dockerd_of_the_host(processes);
        for process in processes {
            match process.program.as_str() {
                "dockerd" if !self.is_the_hosts(process) => self.dockerd_elsewhere(process),
                "podman" => self.podman(process),
                _ => {}
            }
        }
        self.rootless_on_disk();
        self.podman_on_disk();
        self.socket_units();
    }

    /// The dockerd whose files are the host's own: one that runs, the one that would start, or
    /// both in one.
    fn dockerd_of_the_host(&mut self, processes: &[Process]) {
        let unit = self.unit(&units::system(), "docker.service");
        let mut environment = Vec::new();
        let started_by = unit.as_ref().and_then(|unit| {
            let set = self.environment(unit);
            environment = set
                .iter()
                .map(|(name, (value, place))| Variable {
                    name: name.clone(),
                    value: value.clone(),
                    place: place.clone(),
                })
                .collect();
            unit.command(&["dockerd"], &set)
        });
        let started_by = started_by.or_else(|| self.started_by_an_init_script());
        let runs: Vec<_> = processes
            .iter()
            .filter(|process| process.program == "dockerd" && self.is_the_hosts(process))
            .collect();
        // A unit describes one process; with several, the one without a pid file of its own.
        let own = runs.iter().position(|process| {
            let arguments = &process.arguments;
            !arguments.iter().any(|it| it.starts_with("--pidfile") || it.starts_with("-p"))
        });
        let on_disk = match &started_by {
            Some((command, place)) => {
                Some(self.dockerd_settings(&command[1..], place, "/etc/docker/daemon.json"))
            }
            None if runs.is_empty() => self
                .daemon_json("/etc/docker/daemon.json")
                .map(|file| (file, "/etc/docker/daemon.json".to_owned())),
            None => None,
        };
        for (at, process) in runs.iter().enumerate() {
            let on_disk = on_disk.as_ref().filter(|_| Some(at) == own);
            self.running_dockerd(process, on_disk.map(|(settings, _)| settings.clone()));
        }
        if let (None, Some((settings, _))) = (own, on_disk) {
            self.facts.engines.push(Engine {
                program: Program::Dockerd,
                stray: None,
                pid: None,
                rootless: false,
                running: None,
                on_disk: Some(settings),
                file_is_newer: false,
                environment,
                ca_count: None,
            });
        }
    }

    /// `DOCKER_OPTS`, where no unit starts the engine.
    fn started_by_an_init_script(&mut self) -> Option<(Vec<String>, Place)> {
        let scripts = ["/etc/init.d/docker"];
        scripts.into_iter().find(|script| self.root.access(script).is_some())?;
        for file in ["/etc/conf.d/docker", "/etc/default/docker", "/etc/sysconfig/docker"] {
            let Some(text) = self.text(file, &[&PLAIN_TCP]) else { continue };
            let variables = variables::variables(&text, file);
            if let Some(options) = variables.into_iter().find(|it| it.name == "DOCKER_OPTS") {
                let mut command = vec!["dockerd".to_owned()];
                command.extend(words(&options.value));
                return Some((command, options.place));
            }
        }
        None
    }

    fn running_dockerd(&mut self, process: &Process, on_disk: Option<Settings>) {
        let pid = process.pid;
        let place = Place::whole(format!("/proc/{pid}/cmdline"));
        let rootless = process.uid != 0;
        let home = self.facts.accounts.users.iter().find(|user| user.uid == process.uid);
        let default = match home.filter(|_| rootless) {
            Some(user) => format!("{}/.config/docker/daemon.json", user.home),
            None => "/etc/docker/daemon.json".to_owned(),
        };
        let (running, file) = self.dockerd_settings(&process.arguments[1..], &place, &default);
        let written = self.root.written(&file);
        let environment = self.environment_of(pid);
        self.facts.engines.push(Engine {
            program: Program::Dockerd,
            stray: None,
            pid: Some(pid),
            rootless,
            running: Some(running),
            on_disk,
            file_is_newer: written.zip(process.started).is_some_and(|(file, run)| file > run + 1),
            environment,
            ca_count: None,
        });
    }

    /// An engine with files of its own, in a container: read through its process.
    fn dockerd_elsewhere(&mut self, process: &Process) {
        let pid = process.pid;
        match Root::open(&of_process(pid)) {
            Ok(root) => {
                let ours = std::mem::replace(&mut self.root, root);
                self.running_dockerd_with(process, &ours);
                self.root = ours;
            }
            Err(error) => {
                let subject = format!("the files of dockerd, process {pid}");
                self.gap(&[&PLAIN_TCP, &UNVERIFIED_TLS], &subject, &plain(&error));
            }
        }
    }

    fn running_dockerd_with(&mut self, process: &Process, ours: &Root) {
        let engines = self.facts.engines.len();
        let gaps = self.facts.gaps.len();
        self.running_dockerd(process, None);
        // Its own /proc knows it by another number; ours tells its environment.
        self.facts.gaps.truncate(gaps);
        let environ = ours.bytes(&format!("/proc/{}/environ", process.pid)).known();
        let environ = variables::environ(
            &environ.unwrap_or_default(),
            &format!("/proc/{}/environ", process.pid),
        );
        if let Some(engine) = self.facts.engines.get_mut(engines) {
            engine.environment = environ.into_iter().filter(|it| is_of_tls(&it.name)).collect();
            engine.stray = Some(match container(ours, process.pid) {
                Some(id) => format!("in the container {id}"),
                None => "in namespaces of its own".to_owned(),
            });
        }
    }

    /// Settings of arguments and of the daemon.json they name, whose path is the second.
    fn dockerd_settings(
        &mut self,
        arguments: &[String],
        place: &Place,
        default: &str,
    ) -> (Settings, String) {
        let mut settings = command_line::dockerd(arguments, place);
        let file = settings.one("config-file").map(|setting| setting.value.clone());
        let file = file.unwrap_or_else(|| default.to_owned());
        if let Some(of_file) = self.daemon_json(&file) {
            settings.0.extend(of_file.0);
        }
        (settings, file)
    }

    pub(super) fn daemon_json(&mut self, path: &str) -> Option<Settings> {
        let text = self.text(path, &[&PLAIN_TCP, &UNVERIFIED_TLS, &FLAG_AND_FILE])?;
        let read = daemon_json::read(&text, path);
        self.understood(read, path)
    }

    /// The variables of a process that bear on TLS.
    fn environment_of(&mut self, pid: u32) -> Vec<Variable> {
        let path = format!("/proc/{pid}/environ");
        match self.root.bytes(&path) {
            Seen::Known(bytes) => {
                let all = variables::environ(&bytes, &path);
                all.into_iter().filter(|variable| is_of_tls(&variable.name)).collect()
            }
            Seen::Absent => Vec::new(),
            Seen::Unreadable(why) => {
                let subject = "the environment of dockerd";
                self.gap(&[&TLS_ENVIRONMENT, &NOT_RESTARTED], subject, &why);
                Vec::new()
            }
        }
    }

    /// Whether a process sees the host's own files.
    fn is_the_hosts(&self, process: &Process) -> bool {
        let ours = self.root.link("/proc/self/ns/mnt").known();
        match (ours, &process.mounts) {
            (Some(ours), Some(theirs)) => ours == *theirs || process.uid != 0,
            _ => true,
        }
    }

    fn podman(&mut self, process: &Process) {
        let place = Place::whole(format!("/proc/{}/cmdline", process.pid));
        if let Some(running) = command_line::podman_service(&process.arguments, &place) {
            self.facts.engines.push(Engine {
                program: Program::Podman,
                stray: None,
                pid: Some(process.pid),
                rootless: process.uid != 0,
                running: Some(running),
                on_disk: None,
                file_is_newer: false,
                environment: Vec::new(),
                ca_count: None,
            });
        }
    }

    /// Rootless engines by their users' units.
    fn rootless_on_disk(&mut self) {
        for (_, home) in self.homes.clone() {
            let Some(unit) = self.unit(&units::of_user(&home), "docker.service") else { continue };
            let set = self.environment(&unit);
            let Some((command, place)) = unit.command(&["dockerd-rootless.sh"], &set) else {
                continue;
            };
            let runs = self.facts.engines.iter().any(|engine| engine.rootless);
            let file = format!("{home}/.config/docker/daemon.json");
            let (settings, _) = self.dockerd_settings(&command[1..], &place, &file);
            let environment = set.into_iter().filter(|(name, _)| is_of_tls(name));
            let environment: Vec<_> =
                environment.map(|(name, (value, place))| Variable { name, value, place }).collect();
            match self.facts.engines.iter_mut().find(|engine| runs && engine.rootless) {
                Some(engine) => engine.environment.extend(environment),
                None => self.facts.engines.push(Engine {
                    program: Program::Dockerd,
                    stray: Some(place.name),
                    pid: None,
                    rootless: true,
                    running: None,
                    on_disk: Some(settings),
                    file_is_newer: false,
                    environment,
                    ca_count: None,
                }),
            }
        }
    }

    /// podman's service by the units that administrators wrote.
    fn podman_on_disk(&mut self) {
        if self.facts.engines.iter().any(|engine| engine.program == Program::Podman) {
            return;
        }
        for path in self.beneath("/etc/systemd/system", ".service") {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            if let Some(unit) = self.unit(&units::system(), &name) {
                self.podman_unit(&unit, None);
            }
        }
    }

    pub(super) fn podman_unit(&mut self, unit: &Unit, stray: Option<String>) {
        let set = self.environment(unit);
        let Some((command, place)) = unit.command(&["podman"], &set) else { return };
        let Some(settings) = command_line::podman_service(&command[1..], &place) else { return };
        self.facts.engines.push(Engine {
            program: Program::Podman,
            stray,
            pid: None,
            rootless: false,
            running: None,
            on_disk: Some(settings),
            file_is_newer: false,
            environment: Vec::new(),
            ca_count: None,
        });
    }

    fn socket_units(&mut self) {
        let mut names = vec!["docker.socket".to_owned(), "podman.socket".to_owned()];
        for path in self.beneath("/etc/systemd/system", ".socket") {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            if (name.contains("docker") || name.contains("podman")) && !names.contains(&name) {
                names.push(name);
            }
        }
        for name in names {
            if let Some(unit) = self.unit(&units::system(), &name) {
                self.socket_unit(&name, &unit);
            }
        }
    }

    pub(super) fn socket_unit(&mut self, name: &str, unit: &Unit) {
        let streams = unit.values("Socket", "ListenStream");
        let streams =
            streams.into_iter().map(|(value, place)| (value.to_owned(), place.clone())).collect();
        self.facts.socket_units.push(SocketUnit { name: name.to_owned(), streams });
    }
}

/// The container a process is in, by the name of its control group, as `docker ps` shows it.
fn container(root: &Root, pid: u32) -> Option<String> {
    let groups = root.text(&format!("/proc/{pid}/cgroup")).known()?;
    let mut words = groups.split(|c: char| !c.is_ascii_hexdigit());
    words.find(|word| word.len() == 64).map(|id| id[..12].to_owned())
}

fn is_of_tls(name: &str) -> bool {
    matches!(
        name,
        "DOCKER_TLS_VERIFY"
            | "DOCKER_CERT_PATH"
            | "DOCKER_TLS"
            | "DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS"
    )
}
