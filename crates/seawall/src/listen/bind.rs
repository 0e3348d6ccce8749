//! Binding: all listeners of the configuration, or none of them.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use listenfd::ListenFd;
use nix::errno::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::Listener;
use crate::cli::report::{Doing, Error};
use crate::config::{At, Listen, Sshd};

/// `LISTEN_FDNAMES` (sd_listen_fds(3)) of sockets that this gate held before an upgrade.
pub const FROM_BEFORE: &str = "seawall-upgrade";

/// Pending connections the kernel keeps for us while the gate is busy or being upgraded.
const BACKLOG: i32 = 4096;

/// Binds every listener, or none: the first failure ends it. A socket that was handed over (by
/// systemd, or by ourselves before an upgrade) is used where it listens on a wanted address.
///
/// # Errors
/// What could not be bound, why, and what to do about it.
pub fn bind(wanted: &[Listen], sshd: Option<&Sshd>) -> Result<Vec<Listener>, Error> {
    let from_before = std::env::var("LISTEN_FDNAMES").is_ok_and(|names| names == FROM_BEFORE);
    let mut inherited = inherited()?;
    let mut listeners = Vec::new();
    for (place, listen) in wanted.iter().enumerate() {
        match listen {
            Listen::Tcp { at, .. } | Listen::Ssh { at, .. } => {
                let scheme = if matches!(listen, Listen::Ssh { .. }) { "ssh" } else { "tcp" };
                let handed = inherited.iter().position(|handed| is_at(handed, at));
                let listener = match handed {
                    Some(position) => tcp(inherited.swap_remove(position))?,
                    None => bind_tcp(scheme, at)?,
                };
                let interface = match at {
                    At::Address(_) => None,
                    At::Interface { name, .. } => Some(name.clone()),
                };
                listeners.push(match listen {
                    Listen::Ssh { .. } => Listener::Ssh { listener, interface, place },
                    _ => Listener::Tcp { listener, interface, place },
                });
            }
            Listen::Fd { .. } => {
                if inherited.is_empty() {
                    return Err(Error::failed("`fd://` is to listen, but no socket was handed over")
                        .hint("start the gate by `systemctl start seawall.socket`, or set `listen` to a tcp:// address"));
                }
                for handed in inherited.drain(..) {
                    let (listener, interface) = (tcp(handed)?, None);
                    listeners.push(Listener::Tcp { listener, interface, place });
                }
            }
            Listen::Unix { path, identity } => listeners.push(Listener::Unix {
                listener: bind_unix(path, 0o600)?,
                path: path.clone(),
                identity: identity.clone(),
            }),
        }
    }
    if let Some(Sshd { socket, user }) = sshd {
        let uid = uid(user)?;
        if let Some(folder) = socket.parent() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(folder)
                .doing(|| format!("create {}", folder.display()))?;
        }
        // Its mode lets everybody open it; who is served is decided by uid.
        let listener = bind_unix(socket, 0o666)?;
        listeners.push(Listener::Sshd { listener, path: socket.clone(), uid });
    }
    if from_before {
        // The configuration names them no longer.
        inherited.clear();
    }
    if let Some(left) = inherited.first() {
        let address = left.local_addr().map_or_else(|_| "?".to_owned(), |local| local.to_string());
        return Err(Error::usage(format!(
            "a listening socket on {address} was handed over, but `listen` does not name it"
        ))
        .hint("add `fd://` to `listen`, or remove the socket from the socket unit"));
    }
    Ok(listeners)
}

/// Whether this process was given listening sockets: by systemd, or by the gate that became this
/// one. Tells until [`bind`] has taken them.
pub fn handed_over() -> bool {
    std::env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string())
}

/// The TCP sockets handed over. A Unix socket is refused: it names no identity.
fn inherited() -> Result<Vec<std::net::TcpListener>, Error> {
    let mut handed = ListenFd::from_env();
    (0..handed.len())
        .map(|index| match handed.take_tcp_listener(index) {
            Ok(Some(listener)) => Ok(listener),
            Ok(None) | Err(_) => {
                Err(Error::usage("a socket that was handed over is not a listening TCP socket")
                    .hint("in the socket unit, use ListenStream= with an address and port only"))
            }
        })
        .collect()
}

fn tcp(listener: std::net::TcpListener) -> Result<TcpListener, Error> {
    let using = || "use a socket that was handed over".to_owned();
    listener.set_nonblocking(true).doing(using)?;
    TcpListener::from_std(listener).doing(using)
}

/// Whether a socket that was handed over is the one that is wanted there.
fn is_at(socket: &std::net::TcpListener, at: &At) -> bool {
    // That of an interface which is gone has an error in place of a device.
    let (Ok(address), Ok(interface)) = (socket.local_addr(), SockRef::from(socket).device()) else {
        return false;
    };
    match at {
        At::Address(wanted) => interface.is_none() && address == *wanted,
        At::Interface { name, port } => {
            interface.is_some_and(|bound| bound == name.as_bytes()) && address.port() == *port
        }
    }
}

pub(super) fn bind_tcp(scheme: &str, at: &At) -> Result<TcpListener, Error> {
    let address = at.address();
    let bind = |address: SocketAddr| -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            // `[::]` means both families, whatever the host's net.ipv6.bindv6only says.
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        if let At::Interface { name, .. } = at {
            // Whatever addresses the interface has, gets and loses.
            socket.bind_device(Some(name.as_bytes()))?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    let bound = match bind(address) {
        // A kernel without IPv6: all addresses are those of the other family.
        Err(error) if no_ipv6(&error) && address.ip() == Ipv6Addr::UNSPECIFIED => {
            bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        bound => bound,
    };
    bound.map_err(|error| {
        let failed = Error::failed(format!("cannot listen on {scheme}://{at}: {error}"));
        if let At::Interface { name, .. } = at {
            match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
                Errno::ENODEV => {
                    return failed.hint(format!(
                        "there is no interface `{name}` now; `ip link` shows them. The gate \
                         starts when it is there: order the service after what makes it"
                    ));
                }
                Errno::EPERM => {
                    return failed
                        .hint("binding to an interface needs root (CAP_NET_RAW) on this kernel");
                }
                _ => {}
            }
        }
        match error.kind() {
            io::ErrorKind::AddrInUse => failed.hint(format!(
                "something else listens there, dockerd or sshd perhaps: see \
                 `ss -ltnp 'sport = :{}'`",
                at.port()
            )),
            io::ErrorKind::AddrNotAvailable => {
                failed.hint("no interface of this host has that address: see `ip address`")
            }
            io::ErrorKind::PermissionDenied => {
                failed.hint("ports below 1024 need root; 2376 and 2222 do not")
            }
            _ => failed,
        }
    })
}

fn no_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32)
}

/// The uid of `ssh.sshd_user`.
fn uid(user: &str) -> Result<u32, Error> {
    let named = || nix::unistd::User::from_name(user).ok().flatten().map(|user| user.uid.as_raw());
    match user.parse().ok().or_else(named) {
        Some(0) => Err(Error::usage("`ssh.sshd_user` cannot be root")
            .hint("make a user for it: `useradd --system --create-home --shell /bin/sh docker`")),
        Some(uid) => Ok(uid),
        None => Err(Error::usage(format!("there is no user `{}`", user.escape_debug()))
            .hint("`ssh.sshd_user` is the one as whom sshd runs `seawall dial-stdio`")),
    }
}

/// Binds a Unix socket with this mode. A path in use is never taken over: only a socket of ours
/// that nobody answers on, left behind by a crash, is removed.
fn bind_unix(path: &Path, mode: u32) -> Result<UnixListener, Error> {
    let shown = path.display();
    if let Ok(metadata) = std::fs::symlink_metadata(path) {
        let stale = metadata.file_type().is_socket()
            && metadata.uid() == nix::unistd::geteuid().as_raw()
            && std::os::unix::net::UnixStream::connect(path).is_err();
        if !stale {
            return Err(Error::failed(format!(
                "cannot listen on unix://{shown}: the path exists and is in use or not ours"
            ))
            .hint("choose another path, or stop what listens there"));
        }
        std::fs::remove_file(path).doing(|| format!("remove the stale socket {shown}"))?;
    }
    let listener = UnixListener::bind(path).doing(|| format!("listen on unix://{shown}"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .doing(|| format!("set the mode of {shown}"))?;
    Ok(listener)
}
