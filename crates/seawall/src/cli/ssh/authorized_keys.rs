//! `seawall ssh authorized-keys`.

use std::path::PathBuf;

use data_encoding::BASE64;
use seawall_rules::identity::Name;
use seawall_rules::ssh::key::PublicKey;

use crate::admin::client::state_call;
use crate::cli::Context;
use crate::cli::identity::unexpected;
use crate::cli::report::{self, Doing as _, Error};
use crate::sshd::{Answer, Ask, SOCKET, shim};
use crate::state::Identity;
use crate::state::call::{Reply, StateCall};

/// Print lines for the authorized_keys of the host's own sshd
///
/// One line for each key of each identity that may enter that way (`identity set NAME --sshd`).
/// With --key, sshd asks for one key while its client waits, so that a new or a revoked key counts
/// at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    seawall ssh authorized-keys > ~docker/.ssh/authorized_keys\n\n\
    in sshd_config, in place of that file:\n  \
    AuthorizedKeysCommand /usr/bin/seawall ssh authorized-keys --key %k\n  \
    AuthorizedKeysCommandUser docker")]
pub(super) struct Args {
    /// Only of this identity
    name: Option<Name>,
    /// The key that sshd was offered, base64; asks the running gate
    #[arg(long, value_name = "BASE64", conflicts_with = "name")]
    key: Option<String>,
    /// The gate's socket for sshd (`ssh.sshd_socket`)
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let command = forced_command(&args.socket)?;
    let line = |key: &str, name: &str| format!("restrict,command=\"{command}\" {key} {name}\n");
    if let Some(base64) = args.key {
        let blob = BASE64.decode(base64.as_bytes()).doing(|| "read the key".to_owned())?;
        let key = PublicKey::parse(&blob).doing(|| "read the key".to_owned())?;
        let asked = Ask::Knows { key: base64 };
        return match shim::ask(&args.socket, &asked)?.0 {
            Answer::Yes { identity } => report::print(line(&key.to_string(), &identity)),
            // To sshd, no line is the answer.
            Answer::No { .. } => Ok(()),
        };
    }
    let identities = match args.name {
        Some(name) => match state_call(context, StateCall::Identity { name })? {
            Reply::Identity(identity) => vec![identity],
            _ => return Err(unexpected()),
        },
        None => match state_call(context, StateCall::Identities)? {
            Reply::Identities(identities) => identities,
            _ => return Err(unexpected()),
        },
    };
    let lines: String = identities
        .iter()
        .filter(|identity| identity.sshd && identity.revoked.is_none())
        .flat_map(|identity| lines(identity, &line))
        .collect();
    if lines.is_empty() {
        return Err(Error::failed("there is no key that may enter through the host's sshd")
            .hint("`seawall identity set NAME --sshd --ssh-key FILE` lets one in"));
    }
    report::print(lines)
}

fn lines(identity: &Identity, line: &impl Fn(&str, &str) -> String) -> Vec<String> {
    let live = identity.ssh_keys.iter().filter(|key| key.revoked.is_none());
    live.map(|key| line(&key.key, identity.name.as_str())).collect()
}

/// This very binary, so that it does not depend on a PATH.
fn forced_command(socket: &std::path::Path) -> Result<String, Error> {
    let binary = std::env::current_exe().doing(|| "find the seawall binary".to_owned())?;
    let mut words = vec![binary.display().to_string(), "dial-stdio".to_owned()];
    if socket != std::path::Path::new(SOCKET) {
        words.extend(["--socket".to_owned(), socket.display().to_string()]);
    }
    let plain = |word: &String| {
        word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./+".contains(&byte))
    };
    match words.iter().find(|word| !plain(word)) {
        None => Ok(words.join(" ")),
        Some(word) => {
            Err(Error::failed(format!("`{}` cannot stand in a line for sshd", word.escape_debug()))
                .hint("use a path of letters, digits and `-_./+`"))
        }
    }
}
