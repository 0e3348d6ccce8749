//! What the holder of an identity gets: a folder for `DOCKER_CERT_PATH`, an archive for `docker
//! context import`, or an invitation. Keys are made here, by the command, and sent nowhere.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use seawall_rules::identity::Name;
use serde_json::json;

use super::fields;
use crate::cli::Context;
use crate::cli::join::{absolute, minute};
use crate::cli::report::{self, Doing as _, Error};
use crate::config::{self, Config, Listen};
use crate::enrol::context::{ContextName, write_archive};
use crate::enrol::invitation::{Address, Invitation, Secret};
use crate::enrol::owner::Owner;
use crate::enrol::place::{Credentials, Enrolled, Overwrite, Place};
use crate::pki::Key;
use crate::state::call::Invite;
use crate::state::notation::{hex, rfc3339};

/// The options that say what is handed out.
#[derive(Debug, clap::Args)]
pub(super) struct HandOut {
    /// Write ca.pem, cert.pem and key.pem into this folder, for DOCKER_CERT_PATH
    #[arg(long, value_name = "DIR", conflicts_with_all = ["context", "invite"])]
    out: Option<PathBuf>,
    /// Write an archive for `docker context import`: the client needs no seawall at all
    #[arg(long, value_name = "FILE.tar", conflicts_with = "invite")]
    context: Option<PathBuf>,
    /// Print an invitation for `seawall join`: the key is made on the client and stays there
    #[arg(long)]
    invite: bool,
    /// How long the invitation can be used
    #[arg(
        long, value_name = "TIME", default_value = "15m", requires = "invite",
        value_parser = fields::duration
    )]
    valid_for: Duration,
    /// The gate as its clients reach it; from the configuration without it
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<Address>,
    /// With --out, replace credentials that are there
    #[arg(long, requires = "out")]
    force: bool,
}

/// Everything that can fail before the identity is touched has been done.
pub(super) struct Prepared {
    address: Address,
    what: What,
}

enum What {
    Archive { path: PathBuf, key: Key, request: String },
    Folder { dir: PathBuf, key: Key, request: String, overwrite: Overwrite },
    Invitation { secret: Secret, valid_for: Duration },
}

/// What the gate answered.
pub(super) enum Given {
    Credentials(Box<crate::state::Credentials>),
    Invitation(crate::state::call::Invitation),
}

impl HandOut {
    /// Whether any of it was typed.
    pub(super) fn is_asked_for(&self) -> bool {
        self.out.is_some() || self.context.is_some() || self.invite
    }

    pub(super) fn prepare(&self, context: &Context, name: &Name) -> Result<Prepared, Error> {
        let config = config::load_for_command(context)?;
        if config.tls.outside.is_some() {
            return Err(Error::failed("the gate shows a certificate of an outside CA")
                .hint("have that CA certify the client's key as well")
                .hint("and say whose it is: `seawall identity add NAME --role R --match cn=…`"));
        }
        let address = match &self.address {
            Some(address) => address.clone(),
            None => derive_address(&config)?,
        };
        warn_of_a_missing_name(&config, &address);
        let what = if self.invite {
            let secret = Secret::generate().doing(|| "make an invitation".to_owned())?;
            What::Invitation { secret, valid_for: self.valid_for }
        } else {
            let key = Key::generate().doing(|| "make a key".to_owned())?;
            let request = key.request().doing(|| "make a certificate request".to_owned())?;
            match &self.context {
                Some(path) => {
                    let path = absolute(path.clone())?;
                    if path.exists() {
                        return Err(Error::failed(format!("{} exists", path.display()))
                            .hint("it may be somebody's key; write to another file"));
                    }
                    What::Archive { path, key, request }
                }
                None => {
                    let dir = self.out.clone().unwrap_or_else(|| name.as_str().into());
                    let dir = absolute(dir)?;
                    let overwrite = if self.force { Overwrite::Anything } else { Overwrite::Own };
                    let there = Place::Folder(dir.clone()).enrolled();
                    if !self.force && !matches!(there, Ok(None)) {
                        let message = format!("there are credentials in {}", dir.display());
                        return Err(Error::failed(message).hint("replace them with --force"));
                    }
                    What::Folder { dir, key, request, overwrite }
                }
            }
        };
        Ok(Prepared { address, what })
    }
}

impl Prepared {
    pub(super) fn request(&self) -> Option<String> {
        match &self.what {
            What::Archive { request, .. } | What::Folder { request, .. } => Some(request.clone()),
            What::Invitation { .. } => None,
        }
    }

    pub(super) fn invite(&self) -> Option<Invite> {
        match &self.what {
            What::Invitation { secret, valid_for } => {
                Some(Invite { secret_hash: secret.hash(), valid_for: valid_for.as_secs() })
            }
            _ => None,
        }
    }

    /// Writes it out and says so, after `said`.
    pub(super) fn finish(
        self,
        name: &Name,
        given: Given,
        as_json: bool,
        said: &str,
    ) -> Result<(), Error> {
        let address = self.address;
        let enrolled = Enrolled { address: address.clone(), identity: name.clone(), ssh: None };
        match (self.what, given) {
            (What::Folder { dir, key, overwrite, .. }, Given::Credentials(given)) => {
                let credentials = credentials(&given, &key);
                let place = Place::Folder(dir.clone());
                place.install(&owner_of(&dir)?, &enrolled, &credentials, overwrite)?;
                let dir = dir.display();
                let next = format!(
                    "DOCKER_HOST=tcp://{address} DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH={dir} \
                     docker ps"
                );
                let made = format!("ca.pem, cert.pem and key.pem in {dir}");
                let field = ("cert_path", dir.to_string());
                tell(said, name, &address, &made, &next, &given, as_json, field)
            }
            (What::Archive { path, key, .. }, Given::Credentials(given)) => {
                let credentials = credentials(&given, &key);
                let context = context_name(&address);
                write_archive(&path, &owner_of(&path)?, &context, &enrolled, &credentials)?;
                let shown = path.display().to_string();
                let next = format!(
                    "on the client: docker context import {context} {shown}\n      \
                     docker --context {context} ps"
                );
                let made = format!("{shown}; it holds the key: hand it over safely");
                tell(said, name, &address, &made, &next, &given, as_json, ("archive", shown))
            }
            (What::Invitation { secret, .. }, Given::Invitation(given)) => {
                let invitation = Invitation { address, ca_sha256: given.ca, secret };
                tell_invitation(said, name, &invitation, &given, as_json)
            }
            _ => Err(super::unexpected()),
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the one text that says it all")]
fn tell(
    said: &str,
    name: &Name,
    address: &Address,
    made: &str,
    next: &str,
    given: &crate::state::Credentials,
    as_json: bool,
    (field, value): (&str, String),
) -> Result<(), Error> {
    if as_json {
        let made = json!({
            "identity": name.as_str(),
            "address": address.to_string(),
            "serial": hex(&given.issued.serial),
            "not_after": rfc3339(given.issued.not_after),
            field: value,
        });
        return report::print(format!("{made:#}\n"));
    }
    let until = minute(given.issued.not_after);
    report::print(format!(
        "{said}made: {made}\n      for {name} at {address}, until {until}\nnext: {next}\n"
    ))
}

/// The invitation is the data; what is said about it goes beside.
fn tell_invitation(
    said: &str,
    name: &Name,
    invitation: &Invitation,
    given: &crate::state::call::Invitation,
    as_json: bool,
) -> Result<(), Error> {
    if as_json {
        let made = json!({
            "identity": name.as_str(),
            "address": invitation.address.to_string(),
            "id": given.id,
            "expires": rfc3339(given.expires),
            "invitation": invitation.to_string(),
        });
        return report::print(format!("{made:#}\n"));
    }
    report::print(format!("{invitation}\n"))?;
    let until = minute(given.expires);
    // Nowhere is left to talk when standard error is closed; the invitation itself is out.
    let _ = writeln!(
        std::io::stderr(),
        "{said}made: an invitation for {name}, to be used once before {until}\n\
         next: on the client: seawall join INVITATION\n\
         to take it back: seawall identity invitations --revoke {}",
        given.id
    );
    Ok(())
}

fn credentials(given: &crate::state::Credentials, key: &Key) -> Credentials {
    Credentials {
        ca: given.ca.clone(),
        cert: given.certificate.clone(),
        key: key.to_pem().to_string(),
    }
}

/// Where clients reach the gate, as far as the configuration tells: the first TCP listener's
/// port, and its address where it is one; else the first name of the certificate that means
/// something on another machine.
fn derive_address(config: &Config) -> Result<Address, Error> {
    let tcp = config.listen.iter().find_map(|listen| match listen {
        Listen::Tcp { at, .. } => Some(at.address()),
        Listen::Fd { .. } | Listen::Ssh { .. } | Listen::Unix { .. } => None,
    });
    let port = tcp.map_or(2376, |address| address.port());
    let names = &config.tls.hostnames;
    let bound = tcp.map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
    let bound = bound.map(|ip| ip.to_string()).filter(|ip| names.contains(ip));
    let local = |name: &&String| {
        let address = name.parse::<std::net::IpAddr>();
        name.starts_with("localhost") || address.is_ok_and(|address| address.is_loopback())
    };
    let is_name = |name: &&String| name.parse::<std::net::IpAddr>().is_err();
    let abroad = || names.iter().filter(|name| !local(name));
    let host = bound
        .or_else(|| abroad().find(|name| is_name(name) && name.contains('.')).cloned())
        .or_else(|| abroad().find(is_name).cloned())
        .or_else(|| abroad().next().cloned())
        .or_else(|| names.first().cloned())
        .filter(|host| !host.starts_with("*."));
    let address = host.and_then(|host| match host.contains(':') {
        true => format!("[{host}]:{port}").parse().ok(),
        false => format!("{host}:{port}").parse().ok(),
    });
    address.ok_or_else(|| {
        Error::usage("cannot tell by which address clients reach the gate")
            .hint("say it with `--address HOST:PORT`")
    })
}

fn warn_of_a_missing_name(config: &Config, address: &Address) {
    let wildcard = address.host().split_once('.').map(|(_, rest)| format!("*.{rest}"));
    let covers = |name: &String| {
        name.eq_ignore_ascii_case(address.host())
            || wildcard.as_ref().is_some_and(|wildcard| name.eq_ignore_ascii_case(wildcard))
    };
    if !config.tls.hostnames.iter().any(covers) {
        let host = address.host();
        // Nowhere is left to warn when standard error is closed.
        let _ = writeln!(
            std::io::stderr(),
            "warning: the gate's certificate is not for `{host}`: docker will refuse it\n\
             hint: `seawall up --hostname {host}` adds it"
        );
    }
}

fn context_name(address: &Address) -> ContextName {
    let host = address.host().replace(':', "-");
    host.parse().unwrap_or_else(|_| {
        // INVARIANT: a name that is allowed.
        "seawall".parse().expect("`seawall` is a context name")
    })
}

/// Whose the files are: where root writes into a folder of the user who typed `sudo`, theirs;
/// else the user's this runs as.
fn owner_of(path: &Path) -> Result<Owner, Error> {
    let owner = Owner::behind_this_process().doing(|| "tell who you are".to_owned())?;
    let Owner::Invoker { uid, .. } = &owner else { return Ok(owner) };
    let above = path.ancestors().skip(1).find_map(|folder| folder.metadata().ok());
    let theirs = above.is_some_and(|folder| folder.uid() == *uid);
    Ok(if theirs { owner } else { Owner::Current })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let config_file = dir.path().join("seawall.toml");
        std::fs::write(&config_file, text).unwrap();
        let state_dir = dir.path().join("state");
        config::load_for_command(&Context { config_file, state_dir, json: false }).unwrap()
    }

    #[test]
    fn the_address_is_one_that_means_something_elsewhere() {
        for (listen, hostnames, expected) in [
            (
                "tcp://0.0.0.0:2376",
                r#"["localhost", "127.0.0.1", "gate.example"]"#,
                "gate.example:2376",
            ),
            ("tcp://0.0.0.0:2376", r#"["gate", "gate.example"]"#, "gate.example:2376"),
            ("tcp://0.0.0.0:12376", r#"["localhost", "gate", "192.0.2.1"]"#, "gate:12376"),
            ("tcp://0.0.0.0:2376", r#"["localhost", "192.0.2.1"]"#, "192.0.2.1:2376"),
            ("tcp://192.0.2.1:2376", r#"["gate.example", "192.0.2.1"]"#, "192.0.2.1:2376"),
            ("tcp://127.0.0.1:2376", r#"["localhost", "127.0.0.1"]"#, "127.0.0.1:2376"),
            ("tcp://[::]:2376", r#"["fd00::1"]"#, "[fd00::1]:2376"),
            ("tcp://[::]:2376", r#"["localhost"]"#, "localhost:2376"),
        ] {
            let config = config(&format!("listen = [\"{listen}\"]\nhostnames = {hostnames}\n"));
            assert_eq!(derive_address(&config).unwrap().to_string(), expected, "{listen}");
        }
    }
}
