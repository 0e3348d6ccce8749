//! The configuration: `file` is what was typed, this is what it means, ready to use.
//! Turning one into the other is where every complaint is made.

pub(crate) mod custody;
mod file;
mod firewall;
mod keys;
mod listen;
mod load;
mod nearest;
mod overrides;
mod problems;
mod template;
pub(crate) mod units;

pub use firewall::{EnginePorts, Firewall};
pub(crate) use keys::{KEYS, SECTIONS};
pub(crate) use listen::{SSH_PORT, TLS_PORT, parse_listen};
pub use load::{interpret, load, load_candidate, load_for_command};
pub use overrides::Overrides;
pub use template::{commented, toml_list, with_hostnames};

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use seawall_rules::head::HeadLimits;
use seawall_rules::network::Networks;
use seawall_rules::policy::Roles;
use seawall_rules::target::ApiVersion;

use crate::cli::Context;

/// A whole, valid configuration. Immutable; a reload makes a new one.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the gate listens.
    pub listen: Vec<Listen>,
    /// The engine behind the gate.
    pub upstream: Upstream,
    /// Requests for an older API version are refused.
    pub min_api: ApiVersion,
    /// Who may connect at all.
    pub networks: Networks,
    /// Balancers, whose connections begin with a PROXY header that says for whom they are.
    pub balancers: Networks,
    /// Whether the kernel drops what `networks` denies, before the gate sees it.
    pub drop_denied: bool,
    /// When a source is kept out for its failures.
    pub bans: Bans,
    /// What the kernel holds, where it was told to.
    pub firewall: Firewall,
    /// The server's side of TLS.
    pub tls: Tls,
    /// Ways in over SSH.
    pub ssh: Ssh,
    /// Bounds, each with a metric.
    pub limits: Limits,
    /// The audit trail.
    pub audit: Audit,
    /// What the gate knows of its host.
    pub scan: Scan,
    /// The admin socket and the metrics listener.
    pub admin: Admin,
    /// The roles there are: those that ship with Seawall, and those of the files.
    pub roles: Arc<Roles>,
    /// Where all this was read, to read it again.
    pub source: Source,
}

impl Config {
    /// The port of SSH that clients are told: the first `ssh://` listener's.
    pub fn ssh_port(&self) -> Option<u16> {
        self.listen.iter().find_map(|listen| match listen {
            Listen::Ssh { at, .. } => Some(at.port()),
            Listen::Fd { .. } | Listen::Tcp { .. } | Listen::Unix { .. } => None,
        })
    }
}

/// Where a configuration comes from: the file, and the flags of the command line over it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file, and the state folder where the defaults of some paths are.
    pub context: Context,
    /// The flags.
    pub overrides: Overrides,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `tcp://…`: mutual TLS.
    Tcp {
        /// The socket's address.
        at: At,
        /// Who may connect there, of those that `[network]` lets in.
        networks: Networks,
    },
    /// `ssh://…`: the gate's own SSH server.
    Ssh {
        /// The socket's address.
        at: At,
        /// Who may connect there, of those that `[network]` lets in.
        networks: Networks,
    },
    /// `fd://`: sockets passed by systemd; the TLS rules hold for what they are.
    Fd {
        /// Who may connect there, of those that `[network]` lets in.
        networks: Networks,
    },
    /// `unix:///PATH` with the identity its clients are.
    Unix {
        /// The socket's path.
        path: PathBuf,
        /// The identity every client of this socket is.
        identity: String,
    },
}

/// Where a TCP socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// `ADDRESS:PORT`.
    Address(SocketAddr),
    /// `%NAME:PORT`: every address that the interface has, and will have.
    Interface {
        /// Its name.
        name: String,
        /// The port.
        port: u16,
    },
}

impl At {
    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Interface { port, .. } => *port,
        }
    }

    /// The address the socket is bound to: of an interface, any.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Address(address) => *address,
            Self::Interface { port, .. } => SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port)),
        }
    }
}

impl Listen {
    /// Who may connect there, of those that `[network]` lets in.
    pub fn networks(&self) -> &Networks {
        static EVERYONE: LazyLock<Networks> = LazyLock::new(Networks::default);
        match self {
            Self::Tcp { networks, .. } | Self::Ssh { networks, .. } | Self::Fd { networks } => {
                networks
            }
            Self::Unix { .. } => &EVERYONE,
        }
    }

    /// Whether it is reached over a network.
    pub fn is_network(&self) -> bool {
        !matches!(self, Self::Unix { .. })
    }

    /// Whether both are the same socket, whoever may connect there.
    pub fn is_same_socket(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp { at, .. }, Self::Tcp { at: other, .. })
            | (Self::Ssh { at, .. }, Self::Ssh { at: other, .. }) => at == other,
            (Self::Fd { .. }, Self::Fd { .. }) => true,
            (Self::Unix { .. }, Self::Unix { .. }) => self == other,
            _ => false,
        }
    }
}

/// The engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// `unix:///var/run/docker.sock`.
    Unix(PathBuf),
    /// `tcp://host:2376` with `[upstream_tls]`.
    Tls {
        /// `host:port`.
        address: String,
        /// Name the engine's certificate must carry.
        server_name: String,
        /// Its CA, and our certificate and key for it (PEM files).
        ca: PathBuf,
        /// Our client certificate.
        cert: PathBuf,
        /// Our client key.
        key: PathBuf,
    },
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { at, .. } => write!(f, "tcp://{at}")?,
            Self::Ssh { at, .. } => write!(f, "ssh://{at}")?,
            Self::Fd { .. } => f.write_str("fd://")?,
            Self::Unix { path, identity } => {
                return write!(f, "unix://{}?identity={identity}", path.display());
            }
        }
        let networks = self.networks();
        let mut before = "?";
        for (name, list) in [("allow", networks.allowed()), ("deny", networks.denied())] {
            if !list.is_empty() {
                let list: Vec<_> = list.iter().map(ToString::to_string).collect();
                write!(f, "{before}{name}={}", list.join(","))?;
                before = "&";
            }
        }
        Ok(())
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Interface { name, port } => write!(f, "%{name}:{port}"),
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tls { address, .. } => write!(f, "tcp://{address}"),
        }
    }
}

/// The server's side of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Accept TLS 1.2 as well (`min_version = "1.2"`).
    pub allow_tls12: bool,
    /// Names and addresses for the gate's own certificate.
    pub hostnames: Vec<String>,
    /// Certificates made elsewhere (`--tlscacert`, `--tlscert`, `--tlskey`); else our own CA.
    pub outside: Option<OutsideTls>,
}

/// Certificates of an outside CA, as dockerd's flags name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideTls {
    /// `--tlscacert`: the CA that signs clients.
    pub ca: PathBuf,
    /// `--tlscert`.
    pub cert: PathBuf,
    /// `--tlskey`.
    pub key: PathBuf,
    /// CRLs of that CA; expired ones refuse everybody.
    pub crl: Option<PathBuf>,
    /// `--default-role`: role of certificates that match no identity.
    pub default_role: Option<String>,
}

/// Ways in over SSH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// RSA keys of users enter too.
    pub rsa: bool,
    /// Public keys of CAs whose user certificates are honoured.
    pub trusted_user_ca: Option<PathBuf>,
    /// A KRL or a list of public keys.
    pub revoked_keys: Option<PathBuf>,
    /// The most that anybody is over SSH; without it everything but `admin`.
    pub max_role: Option<String>,
    /// A certificate of the host key, in OpenSSH's format.
    pub host_certificate: Option<PathBuf>,
    /// The way in through the host's own sshd, where there is one.
    pub sshd: Option<Sshd>,
}

/// The way in through the host's own sshd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sshd {
    /// Where `seawall dial-stdio` joins the gate.
    pub socket: PathBuf,
    /// The user, by name or uid, as whom sshd runs it.
    pub user: String,
}

/// Bounds. Every one has a default, a config key under `[limits]`, a metric and a test.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is documented with its key in `file`")]
pub struct Limits {
    pub connections: usize,
    pub connections_per_address: usize,
    /// New connections of one address in a second.
    pub connection_rate: u32,
    pub connections_per_identity: usize,
    pub head: HeadLimits,
    pub body_bytes: usize,
    pub handshake: Duration,
    pub request_head: Duration,
    /// Between requests on a kept-alive connection, and for a stalled non-stream exchange.
    pub idle: Duration,
    /// For a client to take the gate's own answer, and to end a small body.
    pub answer: Duration,
    /// For a client to close when the gate has.
    pub linger: Duration,
    pub connect_engine: Duration,
    pub drain: Duration,
    pub enrolment: EnrolmentLimits,
    pub metrics_connections: usize,
}

/// The part of [`Limits`] that binds whoever asks for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnrolmentLimits {
    /// For a whole visit, after its handshake.
    pub time: Duration,
    /// Of the request's head, and of its body.
    pub bytes: usize,
    /// In a row, over all addresses.
    pub failures: usize,
    /// In a row, from one address.
    pub failures_per_address: usize,
    /// Of one invitation, right or wrong.
    pub invitation_attempts: u32,
    /// To one identity, by renewal.
    pub certificates_per_hour: usize,
}

/// When a source whose handshakes keep failing is kept out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bans {
    /// So many failures in a row; 0 is never.
    pub after: u32,
    /// One of them is forgotten this often.
    pub forget: Duration,
    /// How long the first ban lasts.
    pub time: Duration,
}

/// What happens when a record cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Serve on, and say so loudly.
    Continue,
    /// Refuse every request until it can be written again.
    Deny,
}

/// When a record is on disk, beyond being written to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// fsync before each request goes on.
    Always,
    /// fsync every 100 ms while there is something to sync.
    Batched,
}

/// The audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Folder of the segments.
    pub dir: PathBuf,
    /// What a failure to record means.
    pub on_failure: OnFailure,
    /// When records reach the disk.
    pub sync: Sync,
    /// Bytes after which a segment is closed and a new one begun.
    pub segment_bytes: u64,
    /// Bytes of closed segments kept; older ones are removed under a signed tombstone.
    pub keep_bytes: u64,
    /// A command that gets each signed head on standard input.
    pub anchor: Vec<String>,
}

/// The host scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Where its result is left; default `STATE/scan.json`.
    pub result: PathBuf,
}

/// Name of the admin socket in the state folder, where the configuration says nothing else.
pub const ADMIN_SOCKET: &str = "admin.sock";

/// The admin socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Unix socket, 0600; default `STATE/admin.sock`.
    pub socket: PathBuf,
    /// An extra listener that serves `GET /metrics` only; none by default.
    pub metrics: Option<SocketAddr>,
}
