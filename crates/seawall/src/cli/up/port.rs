//! Whether the gate can listen where it should, and who is there if it cannot.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use crate::cli::report::Error;
use crate::config::{At, Listen};
use crate::listen;

/// Tries every TCP listener, unless listening sockets were handed over.
///
/// # Errors
/// Why one cannot be had, naming the process that has it where this user may know it.
pub(super) fn check(listeners: &[Listen]) -> Result<(), Error> {
    if listen::handed_over() {
        return Ok(());
    }
    for listener in listeners {
        if let Listen::Tcp { at: At::Address(address), .. }
        | Listen::Ssh { at: At::Address(address), .. } = listener
        {
            TcpListener::bind(address).map(drop).or_else(|error| refuse(*address, &error))?;
        }
    }
    Ok(())
}

fn refuse(address: SocketAddr, error: &std::io::Error) -> Result<(), Error> {
    let port = address.port();
    Err(match error.kind() {
        ErrorKind::AddrInUse => taken(port, holder(port).as_deref()),
        ErrorKind::AddrNotAvailable => {
            Error::failed(format!("no interface of this host has the address {}", address.ip()))
                .hint("`ip addr` shows its addresses; `tcp://[::]:2376` is all of them")
        }
        ErrorKind::PermissionDenied => {
            Error::failed(format!("port {port} is for root")).hint("use a port from 1024 on")
        }
        // A kernel without IPv6: the gate then listens on the other family alone.
        ErrorKind::Unsupported if address.ip().is_unspecified() => return Ok(()),
        _ if error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32) => return Ok(()),
        _ => Error::failed(format!("cannot listen on {address}: {error}")),
    })
}

fn taken(port: u16, holder: Option<&str>) -> Error {
    let elsewhere = format!("or let the gate listen elsewhere: `--listen tcp://[::]:{}`", port ^ 1);
    match holder {
        Some("dockerd") => {
            Error::failed(format!("the Docker engine itself listens on port {port}"))
                .hint(
                    "whoever uses it there goes past the gate: take `tcp://` out of `hosts` in \
                     /etc/docker/daemon.json or of dockerd's `-H` flags, restart it, and run \
                     this again; its clients then need certificates of the gate",
                )
                .hint(elsewhere)
        }
        Some(holder) => Error::failed(format!("`{holder}` listens on port {port} already"))
            .hint("stop it and run this again")
            .hint(elsewhere),
        None => Error::failed(format!("somebody listens on port {port} already"))
            .hint(format!("`sudo ss -tlnp sport = :{port}` says who"))
            .hint(elsewhere),
    }
}

/// Name of the process that listens on a port, if this user may look into it.
fn holder(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(std::fs::read_to_string);
    let sockets: Vec<_> = tables
        .iter()
        .flatten()
        .flat_map(|table| table.lines().filter_map(|line| listening_inode(line, port)))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let mut links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        if links.any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str())) {
            let name = std::fs::read_to_string(process.path().join("comm")).ok()?;
            return Some(name.trim().escape_debug().to_string());
        }
    }
    None
}

/// The inode of a line of proc_net_tcp(5), if it listens on the port.
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let listens = *fields.get(3)? == "0A" && u16::from_str_radix(local_port, 16) == Ok(port);
    listens.then_some(fields.get(9).copied()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_listen;

    #[test]
    fn a_taken_port_names_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listen = [parse_listen(&address.to_string()).unwrap()];
        let error = check(&listen).unwrap_err();
        let this = std::fs::read_to_string("/proc/self/comm").unwrap();
        assert!(error.message.contains(&format!("`{}` listens", this.trim())), "{error}");
        drop(listener);
        check(&listen).unwrap();
    }

    #[test]
    fn the_engine_on_the_gates_port_is_explained() {
        insta::assert_snapshot!(taken(2376, Some("dockerd")), @"
        error: the Docker engine itself listens on port 2376
        hint: whoever uses it there goes past the gate: take `tcp://` out of `hosts` in /etc/docker/daemon.json or of dockerd's `-H` flags, restart it, and run this again; its clients then need certificates of the gate
        hint: or let the gate listen elsewhere: `--listen tcp://[::]:2377`
        ");
    }
}
