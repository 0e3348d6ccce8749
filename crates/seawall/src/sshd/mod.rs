//! The way in through the host's own sshd, for those who keep port 22 only.
//!
//! sshd verifies the client and runs `seawall dial-stdio` in place of whatever the client asked
//! for ([`shim`]). That reads from sshd, not from its command line, which key was proved, joins
//! the gate by a socket made for it alone, and carries bytes. The gate ([`door`]) knows by the
//! kernel's word that it is talked to by the one user as whom sshd runs the shim, and decides
//! all the rest itself: whose key it is, whether that identity may come this way, and whether
//! what the client asked for is the engine.

pub mod door;
pub mod shim;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Where gate and shim meet unless they are told otherwise (`ssh.sshd_socket`).
pub const SOCKET: &str = "/run/seawall/sshd.sock";

/// What a shim says first: one line of JSON, answered by one line of [`Answer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// Carry this connection. After [`Answer::Yes`] come the bytes of a client.
    Enter {
        /// The wire form of the key or certificate that sshd verified, base64.
        key: String,
        /// The client's address.
        peer: SocketAddr,
        /// What the client asked sshd to run; none is a shell.
        command: Option<String>,
    },
    /// Whether a key would be let in (`AuthorizedKeysCommand`).
    Knows {
        /// Its wire form, base64.
        key: String,
    },
}

/// The gate's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// No, and what to tell the person.
    No {
        /// One line.
        why: String,
    },
    /// Yes.
    Yes {
        /// Who it is.
        identity: String,
    },
}

/// Bytes of a line: a certificate with many principals fits.
const MAX_LINE: usize = 64 * 1024;
