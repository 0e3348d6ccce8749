//! Upgrade without closing a listener: the process drains, keeps its listening sockets, and
//! becomes the new binary. Clients that connect in between wait in the kernel's backlog.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, fcntl};

use crate::cli::report::{Doing, Error};
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

/// Whether what stands at `binary` now runs at all and would serve: after the drain it is too late
/// to find out. It is asked itself, since it may read a configuration otherwise than this one.
pub(super) fn would_start(binary: &Path, serve: &[OsString]) -> Result<(), Error> {
    let shown = binary.display();
    let answer = Command::new(binary)
        .args(serve)
        .arg("--check")
        .stdin(Stdio::null())
        .output()
        .doing(|| format!("run {shown}"))?;
    if answer.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer.stderr);
    let said = said.trim().trim_start_matches("error: ");
    Err(Error::failed(format!(
        "what is at {shown} now would not serve ({}): {said}",
        answer.status
    )))
}

/// Becomes the binary that now stands where this one stood. Returns only if that fails.
pub(super) fn become_new(binary: &Path, serve: &[OsString], sockets: &[Socket]) -> Error {
    for socket in sockets {
        // F_DUPFD leaves close-on-exec off, which is the point.
        if let Err(error) = fcntl(socket, FcntlArg::F_DUPFD(FIRST)) {
            return Error::failed(format!("cannot hand over the listening sockets: {error}"));
        }
    }
    let error = Command::new(binary)
        .args(serve)
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDS_FIRST_FD", FIRST.to_string())
        .env("LISTEN_PID", std::process::id().to_string())
        .env("LISTEN_FDNAMES", listen::FROM_BEFORE)
        .exec();
    Error::failed(format!("cannot start {}: {error}", binary.display()))
}
