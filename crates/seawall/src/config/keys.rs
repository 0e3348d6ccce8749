//! Every key of `seawall.toml` with its type, default and meaning: the one table behind the
//! reader, the comments in a new `seawall.toml`, and `docs/reference/config.md`.

use std::time::Duration;

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// With its section: `limits.idle`.
    pub(crate) name: &'static str,
    /// What its value may be.
    pub(crate) kind: Kind,
    /// The default as TOML, `STATE` standing for the state folder; `None` where leaving the key
    /// out means that there is none.
    pub(crate) default: Option<&'static str>,
    /// A value to show where there is no default.
    pub(crate) example: &'static str,
    /// What it means, for the reference and the comments.
    pub(crate) meaning: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number within these bounds.
    Count(u64, u64),
    /// A time such as `"10s"`, `"15m"`, `"1h30m"`, within these bounds.
    Duration(Duration, Duration),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A number of bytes, or text such as `"64MiB"`, within these bounds.
    Size(u64, u64),
    /// Text.
    Text,
    /// A list of texts.
    Texts,
    /// `true` or `false`.
    Truth,
}

/// Sections in the order of the reference; the empty one is the top of the file.
pub(crate) const SECTIONS: &[(&str, &str)] = &[
    ("", "Where the gate listens and what it protects."),
    ("network", "Who gets as far as a handshake. The longest matching prefix decides."),
    ("firewall", "What `seawall firewall` has the kernel do for the gate's ports."),
    ("tls", "The gate's own side of TLS. A client certificate is always required."),
    ("upstream_tls", "TLS to an engine elsewhere, for `upstream = \"tcp://...\"`."),
    ("ssh", "Ways in over SSH, by keys that were registered with `identity add --ssh-key`."),
    ("limits", "Bounds on what one client, or all of them, can take."),
    ("audit", "The record of every request."),
    ("redact", "What is hidden of the engine's answers from roles without `secrets`."),
    ("scan", "What the gate knows of its host."),
    ("admin", "How commands on this host reach the running gate."),
];

/// Keys in the order of the reference.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "listen",
        kind: Kind::Texts,
        default: Some(r#"["tcp://[::]:2376"]"#),
        example: "",
        meaning: "Where the gate listens. `tcp://ADDRESS:PORT` is mutual TLS, always; `[::]` \
            is every address of both families, `%NAME` every address an interface has and will \
            have. `unix:///PATH?identity=NAME` lets whoever can open that socket in as that \
            identity. `ssh://ADDRESS:PORT` is the gate's own SSH server, for `docker -H ssh://`. \
            `fd://` is every socket that systemd passes. `?allow=10.0.0.0/8,fd00::/8` and \
            `&deny=10.1.0.0/16` after a `tcp://`, `ssh://` or `fd://` narrow `[network]` for it.",
    },
    Key {
        name: "upstream",
        kind: Kind::Text,
        default: Some(r#""unix:///var/run/docker.sock""#),
        example: "",
        meaning: "The engine behind the gate: `unix:///PATH`, or `tcp://HOST:PORT` with \
            `[upstream_tls]`.",
    },
    Key {
        name: "min_api",
        kind: Kind::Text,
        default: Some(r#""1.40""#),
        example: "",
        meaning: "Requests for an older version of the Engine API are refused. Not below 1.24.",
    },
    Key {
        name: "hostnames",
        kind: Kind::Texts,
        default: Some(r#"["localhost", "127.0.0.1", "::1"]"#),
        example: "",
        meaning: "Names and addresses by which clients reach the gate: those, and no others, \
            stand in its certificate. `seawall up` writes the host's own here and adds each \
            `--hostname`.",
    },
    Key {
        name: "network.allow",
        kind: Kind::Texts,
        default: Some("[]"),
        example: "",
        meaning: "Networks that may connect; everybody when empty (a client certificate is \
            asked for in any case).",
    },
    Key {
        name: "network.deny",
        kind: Kind::Texts,
        default: Some("[]"),
        example: "",
        meaning: "Networks that may not connect; wins over an equally long `allow`.",
    },
    Key {
        name: "network.proxy_protocol_from",
        kind: Kind::Texts,
        default: Some("[]"),
        example: "",
        meaning: "Balancers in front of the gate. Each of their connections must begin with a \
            PROXY protocol header, version 1 or 2; the address in it is then the client's, for \
            these lists, for limits and in the record. They need not stand in `allow`.",
    },
    Key {
        name: "network.drop_denied",
        kind: Kind::Truth,
        default: Some("false"),
        example: "",
        meaning: "Has the kernel drop what asks for a connection from a denied address, by a \
            filter on the gate's own sockets: the port then looks closed, and nobody counts or \
            records it. Otherwise it is reset and counted. Takes some hundred networks; on some \
            kernels it needs CAP_NET_ADMIN.",
    },
    Key {
        name: "network.ban_after",
        kind: Kind::Count(0, 10_000),
        default: Some("30"),
        example: "",
        meaning: "Handshakes that fail in a row before an IPv4 address or IPv6 /64 is kept out \
            for a while; 0 is never. This host itself is not, nor is an address with a session.",
    },
    Key {
        name: "network.ban_forget",
        kind: Kind::Duration(SECOND, HOUR),
        default: Some(r#""20s""#),
        example: "",
        meaning: "One failure is forgotten this often.",
    },
    Key {
        name: "network.ban_time",
        kind: Kind::Duration(SECOND, DAY),
        default: Some(r#""10m""#),
        example: "",
        meaning: "How long a ban lasts; the next one within that time after it lasts twice as \
            long, up to a day. `seawall network list` shows who is banned, `unban` lets in again.",
    },
    Key {
        name: "firewall.engine",
        kind: Kind::OneOf(&["closed", "network"]),
        default: Some(r#""closed""#),
        example: "",
        meaning: "Ports on which the engine itself listens, past the gate: `closed` to all other \
            hosts, or open to those whom `[network]` lets in.",
    },
    Key {
        name: "firewall.rate",
        kind: Kind::Count(0, 10_000),
        default: Some("50"),
        example: "",
        meaning: "Connections a second of one IPv4 address or IPv6 /64; more are dropped. 0 is \
            no limit.",
    },
    Key {
        name: "firewall.burst",
        kind: Kind::Count(1, 10_000),
        default: Some("200"),
        example: "",
        meaning: "Connections of one such source at once before `rate` counts.",
    },
    Key {
        name: "firewall.log",
        kind: Kind::Truth,
        default: Some("false"),
        example: "",
        meaning: "Whether the kernel logs what it drops, at most one line a second.",
    },
    Key {
        name: "tls.min_version",
        kind: Kind::OneOf(&["1.2", "1.3"]),
        default: Some(r#""1.3""#),
        example: "",
        meaning: "The oldest TLS that is spoken. docker-py before 7, and with it Compose v1, and \
            clients built with Go 1.12 or older need 1.2.",
    },
    Key {
        name: "tls.ca",
        kind: Kind::Text,
        default: None,
        example: r#""/etc/docker/ca.pem""#,
        meaning: "The CA (PEM) of certificates made elsewhere, dockerd's `--tlscacert`. \
            Without it the gate uses its own CA. Needs `cert` and `key`.",
    },
    Key {
        name: "tls.cert",
        kind: Kind::Text,
        default: None,
        example: r#""/etc/docker/server-cert.pem""#,
        meaning: "The gate's certificate by that CA, dockerd's `--tlscert`.",
    },
    Key {
        name: "tls.key",
        kind: Kind::Text,
        default: None,
        example: r#""/etc/docker/server-key.pem""#,
        meaning: "Its key, dockerd's `--tlskey`. Readable by its owner only.",
    },
    Key {
        name: "tls.crl",
        kind: Kind::Text,
        default: None,
        example: r#""/etc/docker/crl.pem""#,
        meaning: "That CA's revocation lists. When one expires, everybody it is about is refused and cut off.",
    },
    Key {
        name: "tls.default_role",
        kind: Kind::Text,
        default: None,
        example: r#""viewer""#,
        meaning: "Role of that CA's certificates that match no identity; without it they may \
            do nothing. `admin` also needs `unsafe_default_admin`.",
    },
    Key {
        name: "tls.unsafe_default_admin",
        kind: Kind::Truth,
        default: Some("false"),
        example: "",
        meaning: "Lets `default_role` be `admin`: every certificate of that CA is then root on \
            this host.",
    },
    Key {
        name: "upstream_tls.ca",
        kind: Kind::Text,
        default: None,
        example: r#""/etc/seawall/engine/ca.pem""#,
        meaning: "The CA (PEM) of the engine's certificate.",
    },
    Key {
        name: "upstream_tls.cert",
        kind: Kind::Text,
        default: None,
        example: r#""/etc/seawall/engine/cert.pem""#,
        meaning: "The gate's client certificate for the engine.",
    },
    Key {
        name: "upstream_tls.key",
        kind: Kind::Text,
        default: None,
        example: r#""/etc/seawall/engine/key.pem""#,
        meaning: "Its key.",
    },
    Key {
        name: "upstream_tls.server_name",
        kind: Kind::Text,
        default: None,
        example: r#""engine.example.com""#,
        meaning: "The name the engine's certificate must carry; the host of `upstream` when \
            left out.",
    },
    Key {
        name: "ssh.rsa",
        kind: Kind::Truth,
        default: Some("false"),
        example: "",
        meaning: "Lets RSA keys of users in, of 3072 bits or more, never with SHA-1. The gate's \
            own SSH server takes them only when it was built with `--features ssh-rsa`. Ed25519 \
            keys and those on a FIDO token need no such exception.",
    },
    Key {
        name: "ssh.trusted_user_ca",
        kind: Kind::Text,
        default: None,
        example: r#""/etc/ssh/user_ca.pub""#,
        meaning: "Public keys, one a line, of the CAs whose SSH user certificates enter, as sshd's \
            `TrustedUserCAKeys`. A certificate is the identity that has one of its principals: \
            `identity add --match ssh-principal=NAME`.",
    },
    Key {
        name: "ssh.revoked_keys",
        kind: Kind::Text,
        default: None,
        example: r#""/etc/ssh/revoked_keys""#,
        meaning: "SSH keys and certificates that enter no more, as sshd's `RevokedKeys`: a KRL of \
            `ssh-keygen -k`, or public keys, one a line. Read again by `seawall reload`.",
    },
    Key {
        name: "ssh.sshd_user",
        kind: Kind::Text,
        default: None,
        example: r#""docker""#,
        meaning: "The user, by name or uid, as whom the host's own sshd runs `seawall dial-stdio`. \
            It must be for that alone, and outside of the group `docker`: whoever can run other \
            programs as that user can enter with any key of an identity that has `--sshd`. \
            Without it there is no way in through sshd.",
    },
    Key {
        name: "ssh.sshd_socket",
        kind: Kind::Text,
        default: Some(r#""/run/seawall/sshd.sock""#),
        example: "",
        meaning: "Where `seawall dial-stdio` joins the gate; only `sshd_user` and root are served.",
    },
    Key {
        name: "ssh.max_role",
        kind: Kind::Text,
        default: None,
        example: r#""operator""#,
        meaning: "The most that anybody is over SSH: a role that includes it becomes it, what it \
            does not include is nothing there. Without it `admin` is `operator` over SSH, and \
            every other role is what it is: who holds which key is said by a process that \
            strangers speak to, so `admin`, which is root on this host, is to be said \
            explicitly.",
    },
    Key {
        name: "ssh.host_certificate",
        kind: Kind::Text,
        default: None,
        example: r#""/etc/seawall/ssh_host_ed25519_key-cert.pub""#,
        meaning: "A certificate (`ssh-keygen -h`) of the gate's host key, for clients that trust \
            its CA (`@cert-authority`). A change needs a restart.",
    },
    Key {
        name: "limits.connections",
        kind: Kind::Count(1, 1_000_000),
        default: Some("4096"),
        example: "",
        meaning: "Connections at one time.",
    },
    Key {
        name: "limits.connections_per_address",
        kind: Kind::Count(1, 1_000_000),
        default: Some("256"),
        example: "",
        meaning: "Connections at one time from one IPv4 address or IPv6 /64.",
    },
    Key {
        name: "limits.connection_rate",
        kind: Kind::Count(1, 1_000_000),
        default: Some("100"),
        example: "",
        meaning: "New connections a second from one IPv4 address or IPv6 /64. Five seconds' \
            worth may come at once.",
    },
    Key {
        name: "limits.connections_per_identity",
        kind: Kind::Count(1, 1_000_000),
        default: Some("512"),
        example: "",
        meaning: "Connections at one time of one identity.",
    },
    Key {
        name: "limits.header_bytes",
        kind: Kind::Size(4 << 10, 1 << 20),
        default: Some(r#""64KiB""#),
        example: "",
        meaning: "Bytes of a request's head. Registry passwords travel there: a builder with \
            many registries needs more.",
    },
    Key {
        name: "limits.headers",
        kind: Kind::Count(16, 1000),
        default: Some("100"),
        example: "",
        meaning: "Header lines of a request.",
    },
    Key {
        name: "limits.body_bytes",
        kind: Kind::Size(64 << 10, 64 << 20),
        default: Some(r#""4MiB""#),
        example: "",
        meaning: "Bytes of a JSON body, which is held whole to be judged. Streams (build \
            contexts, `load`, `cp`) have no such limit.",
    },
    Key {
        name: "limits.handshake",
        kind: Kind::Duration(SECOND, MINUTE),
        default: Some(r#""10s""#),
        example: "",
        meaning: "Time for a TLS handshake, or over SSH to offer a key that is known.",
    },
    Key {
        name: "limits.request_head",
        kind: Kind::Duration(SECOND, HOUR),
        default: Some(r#""10s""#),
        example: "",
        meaning: "Time from the first byte of a request's head to its last.",
    },
    Key {
        name: "limits.idle",
        kind: Kind::Duration(SECOND, DAY),
        default: Some(r#""5m""#),
        example: "",
        meaning: "Time between requests on one connection, and of silence in an exchange that \
            is no stream. `logs -f`, `events`, `attach` may be silent for ever.",
    },
    Key {
        name: "limits.answer",
        kind: Kind::Duration(SECOND, HOUR),
        default: Some(r#""10s""#),
        example: "",
        meaning: "Time for a client to take what the gate itself answers, such as a denial, and \
            to send the rest of a small body that is not wanted any more.",
    },
    Key {
        name: "limits.linger",
        kind: Kind::Duration(SECOND, MINUTE),
        default: Some(r#""3s""#),
        example: "",
        meaning: "Time for a client to close its side, once the gate has closed its own.",
    },
    Key {
        name: "limits.connect_engine",
        kind: Kind::Duration(SECOND, HOUR),
        default: Some(r#""10s""#),
        example: "",
        meaning: "Time for a connection to the engine.",
    },
    Key {
        name: "limits.drain",
        kind: Kind::Duration(Duration::ZERO, DAY),
        default: Some(r#""30s""#),
        example: "",
        meaning: "Time that open requests have to end after SIGTERM.",
    },
    Key {
        name: "limits.enrolment",
        kind: Kind::Duration(SECOND, HOUR),
        default: Some(r#""15s""#),
        example: "",
        meaning: "Time to spend an invitation or to renew a certificate, after the handshake.",
    },
    Key {
        name: "limits.enrolment_bytes",
        kind: Kind::Size(8 << 10, 1 << 20),
        default: Some(r#""64KiB""#),
        example: "",
        meaning: "Bytes of a request for a certificate: of its head, and of its body.",
    },
    Key {
        name: "limits.enrolment_failures",
        kind: Kind::Count(1, 1_000_000),
        default: Some("200"),
        example: "",
        meaning: "Enrolments that may fail before the next may be tried, over all addresses; \
            after them, one a second.",
    },
    Key {
        name: "limits.enrolment_failures_per_address",
        kind: Kind::Count(1, 1_000_000),
        default: Some("10"),
        example: "",
        meaning: "The same from one IPv4 address or one IPv6 /64; after them, one in 30 s.",
    },
    Key {
        name: "limits.invitation_attempts",
        kind: Kind::Count(1, 1000),
        default: Some("10"),
        example: "",
        meaning: "How often one invitation may be tried. Its own key may come again until it \
            expires, if the answer was lost.",
    },
    Key {
        name: "limits.certificates_per_hour",
        kind: Kind::Count(1, 1000),
        default: Some("20"),
        example: "",
        meaning: "Certificates that one identity may be given by renewal within an hour, \
            however many machines share it.",
    },
    Key {
        name: "limits.metrics_connections",
        kind: Kind::Count(1, 10_000),
        default: Some("16"),
        example: "",
        meaning: "Connections to `admin.unsafe_metrics` at one time. Each is for one request and \
            10 s.",
    },
    Key {
        name: "audit.dir",
        kind: Kind::Text,
        default: Some(r#""STATE/audit""#),
        example: "",
        meaning: "Folder of the trail.",
    },
    Key {
        name: "audit.on_failure",
        kind: Kind::OneOf(&["continue", "deny"]),
        default: Some(r#""deny""#),
        example: "",
        meaning: "When a request cannot be recorded: `deny` refuses it, `continue` forwards it \
            unrecorded and complains.",
    },
    Key {
        name: "audit.sync",
        kind: Kind::OneOf(&["always", "batched"]),
        default: Some(r#""batched""#),
        example: "",
        meaning: "When records reach the disk: `batched` is every 100 ms, `always` is before \
            each request goes on. Either way a crash of the gate loses none.",
    },
    Key {
        name: "audit.segment_size",
        kind: Kind::Size(64 << 10, 4 << 30),
        default: Some(r#""64MiB""#),
        example: "",
        meaning: "Bytes after which a segment is closed and a new one begun.",
    },
    Key {
        name: "audit.keep",
        kind: Kind::Size(1 << 20, 1 << 50),
        default: Some(r#""4GiB""#),
        example: "",
        meaning: "Bytes of closed segments to keep. Older ones go, leaving a signed tombstone.",
    },
    Key {
        name: "audit.anchor",
        kind: Kind::Texts,
        default: Some("[]"),
        example: "",
        meaning: "A command, with its arguments, that gets each signed head on its standard \
            input, to keep it where this host cannot change it.",
    },
    Key {
        name: "redact.labels",
        kind: Kind::Texts,
        default: Some("[]"),
        example: "",
        meaning: "Parts of the names of labels whose values are hidden, in any case: \"license\" hides \
            `com.example.License-Key`. Beside those that are hidden anyway (`password`, `secret`, \
            `token`, `credential`, `apikey`, `basicauth` and the like).",
    },
    Key {
        name: "scan.result",
        kind: Kind::Text,
        default: Some(r#""STATE/scan.json""#),
        example: "",
        meaning: "Where `seawall-scan.service` leaves its result, which `status` and the metrics \
            show.",
    },
    Key {
        name: "admin.socket",
        kind: Kind::Text,
        default: Some(r#""STATE/admin.sock""#),
        example: "",
        meaning: "Unix socket of the running gate, for root and the gate's own user only.",
    },
    Key {
        name: "admin.unsafe_metrics",
        kind: Kind::Text,
        default: None,
        example: r#""127.0.0.1:9323""#,
        meaning: "An address that serves the metrics over plain HTTP to whoever asks. They are \
            always on the admin socket.",
    },
];

/// The key of that name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The name of a key without its section.
pub(super) fn last(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

impl Key {
    /// Its section, and its name there.
    pub(crate) fn split(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }
}

impl Kind {
    /// What the reader of an error should have written.
    pub(crate) fn expectation(self) -> String {
        match self {
            Self::Count(..) => "a whole number".to_owned(),
            Self::Duration(..) => r#"a time such as "10s" or "15m""#.to_owned(),
            Self::OneOf(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
                words.join(" or ")
            }
            Self::Size(..) => r#"a size such as "64MiB""#.to_owned(),
            Self::Text => "text in quotes".to_owned(),
            Self::Texts => r#"a list of texts, `["...", "..."]`"#.to_owned(),
            Self::Truth => "true or false".to_owned(),
        }
    }
}

#[cfg(test)]
impl Kind {
    /// For the reference: what the value may be, and its bounds.
    pub(super) fn range(self) -> String {
        use super::units::{show_duration, show_size};
        match self {
            Self::Count(least, most) => format!("number, {least} to {most}"),
            Self::Duration(least, most) => {
                format!("time, {} to {}", show_duration(least), show_duration(most))
            }
            Self::OneOf(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
                words.join(" or ")
            }
            Self::Size(least, most) => {
                format!("size, {} to {}", show_size(least), show_size(most))
            }
            Self::Text => "text".to_owned(),
            Self::Texts => "list of texts".to_owned(),
            Self::Truth => "`true` or `false`".to_owned(),
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
