//! Unix sockets, and who may open them.

use super::super::catalogue::socket::*;
use super::super::facts::{Facts, SocketOf, UnixSocket};
use super::super::{Finding, Place, Report, Severity};

pub(super) fn judge(facts: &Facts, report: &mut Report) {
    for socket in &facts.unix_sockets {
        match socket.of {
            SocketOf::Engine => {
                engine(socket, report);
                members(socket, facts, report);
            }
            SocketOf::Rootless => rootless(socket, report),
            SocketOf::Runtime => runtime(socket, report),
        }
        around(socket, report);
    }
}

fn found(socket: &UnixSocket, check: &'static super::super::Check, what: &str) -> Finding {
    Finding::new(check, &socket.path, what)
        .seen(Place::whole(&socket.path), socket.access.to_string())
        .remedy(&[("path", &socket.path)])
}

fn engine(socket: &UnixSocket, report: &mut Report) {
    report.looked(&SOCKET_MODE);
    report.looked(&SOCKET_OWNER);
    if socket.access.mode & 0o002 != 0 {
        report.find(found(socket, &SOCKET_MODE, "every user may write to the socket"));
    } else if socket.access.mode & 0o004 != 0 {
        let finding = found(socket, &SOCKET_MODE, "the socket's mode is wider than 0660");
        report.find(finding.weighed(Severity::Low, "reading alone does not open it"));
    }
    if socket.access.uid != 0 {
        let what = format!("the socket belongs to user {}", socket.access.uid);
        report.find(found(socket, &SOCKET_OWNER, &what));
    }
}

/// A rootless engine's socket is its user's own.
fn rootless(socket: &UnixSocket, report: &mut Report) {
    report.looked(&SOCKET_MODE);
    let folder_is_shut = socket.folder.is_some_and(|folder| folder.mode & 0o001 == 0);
    if socket.access.mode & 0o002 != 0 && !folder_is_shut {
        let finding = found(socket, &SOCKET_MODE, "every user may write to the socket");
        report.find(finding.weighed(Severity::High, "the engine runs without root's rights"));
    }
}

fn runtime(socket: &UnixSocket, report: &mut Report) {
    report.looked(&RUNTIME_SOCKET);
    let access = socket.access;
    if access.mode & 0o002 != 0 {
        report.find(found(socket, &RUNTIME_SOCKET, "every user may write to the socket"));
    } else if access.uid != 0 || (access.mode & 0o020 != 0 && access.gid != 0) {
        let what = "a user or group beside root may write to the socket";
        let finding = found(socket, &RUNTIME_SOCKET, what);
        report.find(finding.weighed(Severity::High, "not everyone is in that group"));
    }
}

fn around(socket: &UnixSocket, report: &mut Report) {
    report.looked(&SOCKET_ACL);
    if socket.acl {
        report.find(found(socket, &SOCKET_ACL, "the socket has an access control list"));
    }
    let Some(folder) = socket.folder else { return };
    report.looked(&SOCKET_FOLDER);
    let path = socket.path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let owned = folder.uid != 0 && socket.of != SocketOf::Rootless;
    // In a sticky folder nobody takes away what is another's.
    let sticky = folder.mode & 0o1000 != 0;
    if owned || (folder.others_write() && !sticky) {
        let what = format!("{path} can be written by others than root");
        report.find(
            Finding::new(&SOCKET_FOLDER, &socket.path, what)
                .seen(Place::whole(path), folder.to_string())
                .remedy(&[("path", path)]),
        );
    }
}

fn members(socket: &UnixSocket, facts: &Facts, report: &mut Report) {
    report.looked(&SOCKET_GROUP);
    let access = socket.access;
    if access.gid == 0 || access.mode & 0o020 == 0 {
        return;
    }
    let group = facts.accounts.group(access.gid);
    for user in facts.accounts.members(access.gid) {
        let about = format!("{user} ({group})");
        let what = format!("{user} may open {} and so is root", socket.path);
        report.find(
            Finding::new(&SOCKET_GROUP, about, what)
                .seen(Place::whole("/etc/group"), format!("{user} is in the group {group}"))
                .remedy(&[("user", &user), ("group", &group)]),
        );
    }
}
