//! The real command lines, aimed at the bare engine or at the gate.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::engine::Engine;
use super::gate::Gate;
use super::process::{Done, Running};
use super::raw::Connection;
use super::ssh::Ssh;
use super::sshd::Sshd;
use super::wait::{SHORT, until};

/// Which way the client's requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// To the engine's own socket: proves that an expectation is the engine's.
    Engine,
    /// Through the gate, as an identity that may do everything.
    Gate,
    /// The same over SSH.
    Ssh,
    /// The same through the host's own sshd.
    Sshd,
}

/// A docker command line and where it is pointed.
pub(crate) struct Docker {
    program: PathBuf,
    env: Vec<(&'static str, String)>,
    // The client's own configuration folder; its contexts and logins are nobody else's.
    home: tempfile::TempDir,
}

impl Side {
    /// The docker command line of this machine, pointed this way.
    pub(crate) fn docker(self) -> Docker {
        Docker::first(self.env())
    }

    /// One for every docker command line installed; old ones and new ones ask differently.
    pub(crate) fn dockers(self) -> impl Iterator<Item = Docker> {
        command_lines().iter().map(move |program| Docker::new(program, self.env()))
    }

    /// A connection of bytes, this way.
    pub(crate) fn connect(self) -> Connection {
        match self {
            Self::Engine => Connection::unix(&Engine::shared().socket()),
            Self::Gate => Gate::shared().connect(&Gate::shared().folder_of("everyone")),
            Self::Ssh | Self::Sshd => unreachable!("OpenSSH's client is needed for that"),
        }
    }

    /// The variables that point any client this way.
    pub(crate) fn env(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Engine => vec![("DOCKER_HOST", Engine::shared().host())],
            Self::Gate => Gate::shared().env(&Gate::shared().folder_of("everyone")),
            Self::Ssh => Ssh::shared().env(),
            Self::Sshd => Sshd::shared_env(),
        }
    }
}

impl Docker {
    /// The docker command line of this machine, with these variables.
    pub(crate) fn first(env: Vec<(&'static str, String)>) -> Self {
        Self::new(&command_lines()[0], env)
    }

    /// `program`, with these variables and an empty configuration.
    pub(crate) fn new(program: &Path, env: Vec<(&'static str, String)>) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { program: program.to_owned(), env, home }
    }

    /// Runs `docker ARGS` to its end with no input.
    #[track_caller]
    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Done {
        Running::start(self.command(args)).wait()
    }

    /// Runs `docker ARGS` to its end, with `input` as its standard input.
    #[track_caller]
    pub(crate) fn run_with<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Done {
        let mut running = self.open(args);
        running.write(input);
        running.wait()
    }

    /// Starts `docker ARGS` with no input.
    pub(crate) fn start<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Running {
        Running::start(self.command(args))
    }

    /// Starts `docker events`, and lets something happen on the shared engine, which it is of,
    /// until one arrives: the command line does not tell when the engine has begun to send.
    pub(crate) fn events(&self) -> Running {
        let events = self.start(["events"]);
        until(
            SHORT,
            || "no event arrives".to_owned(),
            || {
                Side::Engine.docker().run(["run", "--rm", "busybox"]).ok();
                events.stdout.text().contains("container create")
            },
        );
        events
    }

    /// Starts `docker ARGS` with its standard input open.
    pub(crate) fn open<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Running {
        Running::spawn(self.command(args), Stdio::piped())
    }

    /// `docker ARGS` as a command that is not yet started.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.pointed(&self.program);
        command.args(args);
        command
    }

    /// Another client program (Compose, a script), pointed the same way.
    pub(crate) fn pointed(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_uppercase();
            // Python's `requests` would trust those CAs in place of the ones it is given.
            let misleads = text.starts_with("DOCKER_") || text.ends_with("_CA_BUNDLE");
            if misleads || text.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        command
            .env("DOCKER_CONFIG", self.home.path())
            .env("HOME", self.home.path())
            .env("DOCKER_BUILDKIT", "0")
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The client's configuration folder.
    pub(crate) fn config(&self) -> &Path {
        self.home.path()
    }

    /// Whether this is the docker command line of 20.10, which has BuildKit's client built in.
    pub(crate) fn has_buildkit_built_in(&self) -> bool {
        let version = self.run(["version", "--format", "{{.Client.Version}}"]).ok();
        version.starts_with("20.")
    }

    /// A container that stays until it is removed with the returned value.
    #[track_caller]
    pub(crate) fn idle_container(&self, name: &str) -> Container<'_> {
        self.container(name, ["busybox", "sleep", "1000"])
    }

    /// `docker run -d --name … ARGS`, removed when the returned value goes.
    #[track_caller]
    pub(crate) fn container<const N: usize>(&self, name: &str, args: [&str; N]) -> Container<'_> {
        let name = fresh(name);
        let id = self.run(["run", "-d", "--name", &name].into_iter().chain(args)).ok();
        Container { docker: self, name, id }
    }

    /// A `cat` whose standard input ends when the first who attaches ends it.
    #[track_caller]
    pub(crate) fn cat_container(&self, name: &str) -> Container<'_> {
        let name = fresh(name);
        let id = self.run(["create", "-i", "--name", &name, "busybox", "cat"]).ok();
        self.run(["start", &name]).ok();
        Container { docker: self, name, id }
    }
}

/// A container of a test's own.
pub(crate) struct Container<'a> {
    docker: &'a Docker,
    /// Its name.
    pub(crate) name: String,
    /// Its full id.
    pub(crate) id: String,
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let remove = ["-H", &Engine::shared().host(), "rm", "-f", "-v", &self.name];
        let mut command = Command::new(&self.docker.program);
        let _ = command.args(remove).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// A name that nothing else in this run has.
pub(crate) fn fresh(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The docker command lines of this machine: the one in PATH, then Debian's where that is another.
pub(crate) fn command_lines() -> &'static [PathBuf] {
    static FOUND: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut found: Vec<_> = std::env::split_paths(&path)
            .chain([PathBuf::from("/usr/bin")])
            .filter_map(|dir| dir.join("docker").canonicalize().ok())
            .collect();
        let mut seen = std::collections::HashSet::new();
        found.retain(|program| seen.insert(program.clone()));
        assert!(!found.is_empty(), "there is no docker command line in PATH");
        found
    })
}
