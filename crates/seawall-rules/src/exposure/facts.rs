//! What was gathered, as values: nothing here has been judged.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::certificate::Certificate;
use super::read::accounts::{Group, User};
use super::read::command_line::Settings;
use super::read::context::Connection;
use super::read::ssh::{AuthorizedKey, SshdSetting};
use super::read::variables::Variable;
use super::{Check, Place, address};
use crate::firewall::walk::Ruleset;

/// Everything a scan of a host or a folder saw.
#[derive(Debug, Default)]
pub struct Facts {
    /// Seconds since 1970.
    pub now: i64,
    /// Engines that run or are configured.
    pub engines: Vec<Engine>,
    /// Listening TCP sockets of a host that runs.
    pub listeners: Vec<Listener>,
    /// Sockets that systemd opens for an engine.
    pub socket_units: Vec<SocketUnit>,
    /// Unix sockets of engines and runtimes.
    pub unix_sockets: Vec<UnixSocket>,
    /// Users and groups.
    pub accounts: Accounts,
    /// Certificates that engines and clients use.
    pub certificates: Vec<CertificateFile>,
    /// Private keys beside them.
    pub keys: Vec<PrivateKey>,
    /// Programs, units and settings of engines, and the folders of keys.
    pub files: Vec<File>,
    /// Keys that open the accounts of users, with the user's name.
    pub authorized_keys: Vec<(String, AuthorizedKey)>,
    /// sshd's settings, in the order in which it reads them.
    pub sshd: Vec<SshdSetting>,
    /// `DOCKER_*` variables of clients.
    pub variables: Vec<Variable>,
    /// docker's contexts.
    pub contexts: Vec<Context>,
    /// Contexts that are current, by name.
    pub current_contexts: Vec<(String, Place)>,
    /// Connections of podman and other tools.
    pub tools: Vec<Connection>,
    /// Docker Desktop settings that open port 2375.
    pub desktop_tcp: Vec<Place>,
    /// Whether settings of Docker Desktop were seen at all.
    pub desktop: bool,
    /// Containers of the local engine, and services of Compose files.
    pub containers: Vec<Container>,
    /// What engines of the host say of themselves, with the socket that was asked.
    pub releases: Vec<(String, address::Engine)>,
    /// What the kernel does with packets.
    pub filter: PacketFilter,
    /// The lines of cron's tables that run something.
    pub cron: Vec<(Place, String)>,
    /// auditd's rules, where there is an auditd.
    pub auditd: Option<String>,
    /// Seawall's own configuration.
    pub gate: Option<Gate>,
    /// Configuration files whose reader would refuse them, and why.
    pub broken: Vec<(Place, String)>,
    /// What could not be looked at.
    pub gaps: Vec<Gap>,
}

impl Facts {
    /// Whether anything that a scan judges was there.
    pub fn is_empty(&self) -> bool {
        self.engines.is_empty()
            && self.socket_units.is_empty()
            && self.unix_sockets.is_empty()
            && !self.listeners.iter().any(|listener| listener.answer.is_api())
            && self.certificates.is_empty()
            && self.keys.is_empty()
            && self.variables.is_empty()
            && self.contexts.is_empty()
            && self.tools.is_empty()
            && !self.desktop
            && self.containers.is_empty()
            && self.gate.is_none()
            && self.broken.is_empty()
    }
}

/// Something that could not be looked at, and which checks are blind for it.
#[derive(Clone, Debug)]
pub struct Gap {
    /// The checks that would have looked.
    pub checks: Vec<&'static Check>,
    /// What could not be read or asked.
    pub subject: String,
    /// Why.
    pub why: String,
}

/// Who may do what with a file, as `stat` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Access {
    /// Whether users beside the owner may write: everyone, or a group other than root's.
    pub fn others_write(self) -> bool {
        self.mode & 0o002 != 0 || (self.mode & 0o020 != 0 && self.gid != 0)
    }

    /// Whether users beside the owner may read: everyone, or a group other than root's.
    pub fn others_read(self) -> bool {
        self.mode & 0o004 != 0 || (self.mode & 0o040 != 0 && self.gid != 0)
    }
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mode {:04o}, owner {}, group {}", self.mode & 0o7777, self.uid, self.gid)
    }
}

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// dockerd.
    Dockerd,
    /// `podman system service`.
    Podman,
}

/// An engine that runs or would run.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Which.
    pub program: Program,
    /// The file it was read from, where it is not where an engine of this host has it: part of
    /// every subject.
    pub stray: Option<String>,
    /// Its process, if it runs.
    pub pid: Option<u32>,
    /// Whether it runs as another user than root.
    pub rootless: bool,
    /// How it runs: its arguments, and the daemon.json it was given.
    pub running: Option<Settings>,
    /// How it would start: its unit's arguments, and daemon.json.
    pub on_disk: Option<Settings>,
    /// Whether daemon.json was written after the process started.
    pub file_is_newer: bool,
    /// Its environment, as far as TLS and rootlesskit go.
    pub environment: Vec<Variable>,
    /// How many CAs its `tlscacert` holds, where it could be read.
    pub ca_count: Option<usize>,
}

impl Engine {
    /// The settings that count: of the process, or else those on the disk.
    pub fn settings(&self) -> Option<&Settings> {
        self.running.as_ref().or(self.on_disk.as_ref())
    }
}

/// A listening TCP socket.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where it is bound.
    pub address: SocketAddr,
    /// Its process: id and name.
    pub owner: Option<(u32, String)>,
    /// What answered there.
    pub answer: Answer,
    /// What the firewall's live rules do.
    pub firewall: Firewall,
}

/// What a listener answered to `GET /_ping`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A Docker API, in plain text, to anyone; with its API version.
    Api(String),
    /// A Docker API over TLS, to a client without a certificate; with its API version.
    ApiOverTls(String),
    /// TLS that wants a certificate of the client.
    WantsCertificate,
    /// TLS, and nothing more is known.
    Tls,
    /// Something else.
    Other,
    /// Nothing was asked, or nothing came back.
    Unknown(String),
}

impl Answer {
    /// Whether a Docker API answered.
    pub fn is_api(&self) -> bool {
        matches!(self, Self::Api(_) | Self::ApiOverTls(_))
    }
}

/// What the firewall does with connections to a port from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firewall {
    /// Only from listed sources.
    Limits,
    /// From everywhere.
    Open,
    /// Its rules could not be read.
    Unknown(String),
}

/// The kernel's packet filter, and what becomes of it.
#[derive(Clone, Debug, Default)]
pub struct PacketFilter {
    /// The rules: in force, or those that a folder's host would load (`iptables-save` format).
    pub rules: Option<Ruleset>,
    /// Whether they are in force.
    pub in_force: bool,
    /// Whether there are tables of `iptables-legacy`.
    pub legacy: bool,
    /// Whether there are tables of nftables, those of `iptables-nft` included.
    pub nft: bool,
    /// What is loaded at boot: files with their texts.
    pub at_boot: Vec<(String, String)>,
    /// Where Seawall's rules, if some were applied, differ from what was asked for.
    pub drift: Option<Vec<String>>,
    /// Ports of the gate that rules of others keep closed: the chain, and what opens it.
    pub kept_out: Vec<KeptOut>,
    /// Connections that are open: this host's end, and the other.
    pub sessions: Vec<(SocketAddr, SocketAddr)>,
    /// `rp_filter` in force on each interface to another network.
    pub source_checks: Vec<(String, u8)>,
}

/// Somebody whom the gate lets in and another firewall does not.
#[derive(Clone, Debug)]
pub struct KeptOut {
    /// The gate's port.
    pub port: u16,
    /// Who.
    pub network: String,
    /// The chain that drops.
    pub chain: String,
    /// What lets him in.
    pub fix: String,
}

/// A socket that systemd opens for an engine.
#[derive(Clone, Debug)]
pub struct SocketUnit {
    /// `docker.socket`.
    pub name: String,
    /// Its `ListenStream=` lines that count.
    pub streams: Vec<(String, Place)>,
}

/// A Unix socket of an engine or a runtime.
#[derive(Clone, Debug)]
pub struct UnixSocket {
    /// Its path.
    pub path: String,
    /// Whose it is, and who may open it.
    pub access: Access,
    /// The folder it lies in.
    pub folder: Option<Access>,
    /// Whether it has an access control list.
    pub acl: bool,
    /// What listens there.
    pub of: SocketOf,
}

/// What listens on a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOf {
    /// An engine: dockerd.
    Engine,
    /// An engine of a user's own.
    Rootless,
    /// containerd, BuildKit, CRI-O, rootful podman.
    Runtime,
}

/// Users and groups of the host.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// Of `/etc/passwd`.
    pub users: Vec<User>,
    /// Of `/etc/group`.
    pub groups: Vec<Group>,
}

impl Accounts {
    /// Those who are in the group of that id, root left out: by `/etc/group`, and those whose
    /// primary group it is.
    pub fn members(&self, gid: u32) -> Vec<String> {
        let listed = self.groups.iter().filter(|group| group.gid == gid);
        let listed = listed.flat_map(|group| group.members.iter());
        let primary = self.users.iter().filter(|user| user.gid == gid && user.uid != 0);
        let mut names: Vec<_> =
            listed.chain(primary.map(|user| &user.name)).filter(|name| *name != "root").collect();
        names.sort();
        names.dedup();
        names.into_iter().cloned().collect()
    }

    /// The names of the groups that a user is in.
    pub fn groups_of(&self, user: &str) -> Vec<&str> {
        let primary = self.users.iter().find(|known| known.name == user).map(|known| known.gid);
        let is_in = |group: &&Group| {
            Some(group.gid) == primary || group.members.iter().any(|member| member == user)
        };
        self.groups.iter().filter(is_in).map(|group| group.name.as_str()).collect()
    }

    /// A group's name, or its number.
    pub fn group(&self, gid: u32) -> String {
        let known = self.groups.iter().find(|group| group.gid == gid);
        known.map_or_else(|| gid.to_string(), |group| group.name.clone())
    }
}

/// What a certificate or key is used for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Verifies an engine's clients.
    Ca,
    /// A client's.
    Client,
    /// An engine's.
    Server,
    /// Lies in a folder of keys; what for is not known.
    Unknown,
}

/// A certificate in a file.
#[derive(Clone, Debug)]
pub struct CertificateFile {
    /// The file.
    pub path: String,
    /// What it is used for.
    pub usage: Use,
    /// The certificate; of several, the first.
    pub certificate: Certificate,
    /// SHA-256 of its public key.
    pub spki: [u8; 32],
    /// Who may change it.
    pub access: Access,
}

/// A private key.
#[derive(Clone, Debug)]
pub struct PrivateKey {
    /// The file.
    pub path: String,
    /// What it is used for.
    pub usage: Use,
    /// SHA-256 of its public key, where it could be read.
    pub spki: Option<[u8; 32]>,
    /// Whether a passphrase protects it.
    pub encrypted: bool,
    /// Who may read it.
    pub access: Access,
}

/// A file or folder that others must not change.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path.
    pub path: String,
    /// Who may change it.
    pub access: Access,
    /// Whether it is a folder of keys.
    pub of_keys: bool,
}

/// A docker context.
#[derive(Clone, Debug)]
pub struct Context {
    /// What it says.
    pub connection: Connection,
    /// Whether TLS files are stored with it.
    pub has_tls: bool,
}

/// A container, or a Compose service that becomes one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image as written.
    pub image: String,
    /// Where it is described.
    pub place: Place,
    /// Files of the host it sees.
    pub mounts: Vec<Mount>,
    /// `privileged`.
    pub privileged: bool,
    /// The host's network.
    pub host_network: bool,
    /// The host's processes.
    pub host_pid: bool,
    /// Added capabilities.
    pub capabilities: Vec<String>,
    /// Ports on the host.
    pub published: Vec<Published>,
    /// What it runs: entry point and command, in one line.
    pub command: String,
}

/// A file or folder of the host in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// On the host.
    pub source: String,
    /// In the container.
    pub target: String,
    /// Where it is written.
    pub place: Place,
}

/// A container's port on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The host's address; all of them where it is empty.
    pub address: String,
    /// The host's port.
    pub port: u16,
    /// The container's port.
    pub container_port: u16,
    /// Where it is written.
    pub place: Place,
}

/// Seawall on this host.
#[derive(Clone, Debug)]
pub struct Gate {
    /// The configuration's file.
    pub file: String,
    /// Why it is not valid, and what to do.
    pub problem: Option<(String, String)>,
    /// Addresses of networks that it listens on.
    pub listens: Vec<SocketAddr>,
    /// `network.allow`.
    pub allow: Vec<IpNet>,
    /// Addresses it listens on for every network.
    pub open: Vec<SocketAddr>,
    /// Whether it serves on when it cannot record.
    pub serves_unrecorded: bool,
    /// The state folder.
    pub state: Option<(String, Access)>,
    /// The CA's key in it.
    pub holds_ca_key: bool,
}
