//! Upgrade without closing a listener: the process drains, keeps its listening sockets, and
//! becomes the new binary. Clients that connect in between wait in the kernel's backlog.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, fcntl};

use crate::cli::report::{Doing, Error};
use crate::gate::Gate;
use crate::listen::{self, Listener};

/// Where handed-over descriptors begin: above all that the process opens by itself, so that
/// they follow each other as the protocol of `LISTEN_FDS` demands.
const FIRST: i32 = 500;

/// A listening socket kept open for the next binary.
pub(super) type Socket = OwnedFd;

/// Keeps the TCP listeners' sockets open beyond their accept loops. A Unix listener is not kept:
/// the new binary binds its path again.
pub(super) fn keep(listeners: &[Listener]) -> Result<Vec<Socket>, Error> {
    listeners
        .iter()
        .filter_map(|listener| match listener {
            Listener::Tcp { listener, .. } | Listener::Ssh { listener, .. } => {
                Some(listener.as_fd().try_clone_to_owned())
            }
            Listener::Unix { .. } | Listener::Sshd { .. } => None,
        })
        .collect::<Result<_, _>>()
        .doing(|| "keep the listening sockets".to_owned())
}

/// Whether what stands at `binary` now runs at all and the configuration is still valid: after
/// the drain it is too late to find out.
pub(super) fn would_start(binary: &Path, gate: &Gate) -> Result<(), Error> {
    gate.snapshot.load().config.source.load()?;
    let shown = binary.display();
    let answer = Command::new(binary)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .doing(|| format!("run {shown}"))?;
    match answer.status.success() {
        true => Ok(()),
        false => Err(Error::failed(format!("`{shown} --version` fails: {}", answer.status))),
    }
}

/// Becomes the binary that now stands where this one stood, with the same arguments. Returns
/// only if that fails.
pub(super) fn become_new(binary: &Path, sockets: &[Socket]) -> Error {
    for socket in sockets {
        // F_DUPFD leaves close-on-exec off, which is the point.
        if let Err(error) = fcntl(socket, FcntlArg::F_DUPFD(FIRST)) {
            return Error::failed(format!("cannot hand over the listening sockets: {error}"));
        }
    }
    let error = Command::new(binary)
        .args(std::env::args_os().skip(1))
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDS_FIRST_FD", FIRST.to_string())
        .env("LISTEN_PID", std::process::id().to_string())
        .env("LISTEN_FDNAMES", listen::FROM_BEFORE)
        .exec();
    Error::failed(format!("cannot start {}: {error}", binary.display()))
}
