//! `seawall dial-stdio`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::report::Error;
use crate::sshd::{SOCKET, shim};

/// Join the gate from the host's own sshd, which runs this for its clients
///
/// It takes the client's key and address from sshd, not from its command line, and carries the
/// connection to the gate, which decides as it does for every other door. Nothing but `docker
/// system dial-stdio`, what `docker -H ssh://…` asks for, is let through.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example, in ~/.ssh/authorized_keys of a user that is for it alone:\n  \
    restrict,command=\"/usr/bin/seawall dial-stdio\" ssh-ed25519 AAAA… alice\n\n\
    `seawall ssh authorized-keys` prints such lines.")]
pub(super) struct Args {
    /// The gate's socket for this (`ssh.sshd_socket`)
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
}

/// What `seawall-shell` was run for: a login shell, in place of one, for the user as whom sshd
/// runs this. It runs nothing. `None` when this is no `seawall-shell`.
pub(super) struct LoginShell {
    socket: PathBuf,
    command: Option<String>,
}

impl LoginShell {
    /// Recognizes it by the name it was run as: sshd gives a shell that, and `-c COMMAND`.
    pub(super) fn recognize(args: &[OsString]) -> Option<Self> {
        let name = Path::new(args.first()?).file_name()?.to_str()?;
        if name.trim_start_matches('-') != SHELL {
            return None;
        }
        let command = match args {
            [_, flag, command] if flag == "-c" => Some(command.to_string_lossy().into_owned()),
            _ => None,
        };
        Some(Self::of(command))
    }

    /// A forced command of ours says which socket; the client's own command then is elsewhere.
    fn of(command: Option<String>) -> Self {
        let words: Vec<_> = command.iter().flat_map(|command| command.split(' ')).collect();
        let socket = match words[..] {
            [program, "dial-stdio"] if program.ends_with("seawall") => SOCKET,
            [program, "dial-stdio", "--socket", path] if program.ends_with("seawall") => path,
            _ => return Self { socket: SOCKET.into(), command },
        };
        Self { socket: socket.into(), command: None }
    }

    pub(super) fn run(self) -> Result<(), Error> {
        shim::carry(&self.socket, shim::Client::of_sshd(self.command)?)
    }
}

const SHELL: &str = "seawall-shell";

pub(super) fn run(args: &Args) -> Result<(), Error> {
    shim::carry(&args.socket, shim::Client::of_sshd(None)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_shell_runs_nothing_and_knows_our_own_forced_command() {
        let of = |args: &[&str]| {
            let args: Vec<_> = args.iter().map(OsString::from).collect();
            let shell = LoginShell::recognize(&args)?;
            Some((shell.socket.display().to_string(), shell.command))
        };
        let asked = |command: &str| Some((SOCKET.to_owned(), Some(command.to_owned())));
        let forced = |socket: &str| Some((socket.to_owned(), None));
        for (args, expected) in [
            (&["seawall", "-c", "id"][..], None),
            (&["-seawall-shell"], forced(SOCKET)),
            (&["seawall-shell", "-c", "id"], asked("id")),
            (
                &["seawall-shell", "-c", "docker system dial-stdio"],
                asked("docker system dial-stdio"),
            ),
            (&["seawall-shell", "-c", "/usr/bin/seawall dial-stdio"], forced(SOCKET)),
            (&["/x/seawall-shell", "-c", "/x/seawall dial-stdio --socket /s"], forced("/s")),
        ] {
            assert_eq!(of(args), expected, "{args:?}");
        }
    }
}
