//! `seawall join`: from an invitation to a docker context.

mod ssh;

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::json;
use time::OffsetDateTime;

use self::ssh::SshFolder;
use super::Context;
use super::report::{self, Doing as _, Error};
use crate::enrol::client::{self, Failure};
use crate::enrol::context::{self, ContextName};
use crate::enrol::invitation::{Address, Invitation, NotAnInvitation};
use crate::enrol::owner::Owner;
use crate::enrol::place::{Credentials, Enrolled, Overwrite, Place, PlaceError};
use crate::enrol::wire::{Code, Grant};
use crate::pki::Key;
use crate::state::notation::rfc3339;

/// Accept an invitation: make a key, have it certified, make a docker context
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall join seawall1.… --name prod\n  \
    seawall join - < invitation    # out of the shell's history and of ps\n  \
    seawall join seawall1.… --ssh  # docker -H ssh://, with the key ssh offers anyway")]
pub(super) struct Args {
    /// What `seawall identity add --invite` printed; `-` reads it from standard input
    #[arg(value_name = "INVITATION|-", allow_hyphen_values = true)]
    invitation: String,
    /// Name of the docker context; the gate's host name without it
    #[arg(long, value_name = "CONTEXT", conflicts_with = "cert_path")]
    name: Option<ContextName>,
    /// Write ca.pem, cert.pem and key.pem into this folder, for DOCKER_CERT_PATH, and make no
    /// context
    #[arg(long, value_name = "DIR")]
    cert_path: Option<PathBuf>,
    /// Docker's configuration folder; $DOCKER_CONFIG or ~/.docker without it
    #[arg(long, value_name = "DIR", conflicts_with = "cert_path")]
    docker_config: Option<PathBuf>,
    /// Make it the context that docker uses when none is named
    #[arg(long = "use", conflicts_with = "cert_path")]
    select: bool,
    /// Reach the gate over SSH: registers a key, puts the gate into ~/.ssh/known_hosts, and makes
    /// the context an ssh:// one
    #[arg(long, conflicts_with = "cert_path")]
    ssh: bool,
    /// The public SSH key to register; the one ssh offers by itself without it, made if need be
    #[arg(long, value_name = "FILE|-|KEY", requires = "ssh")]
    ssh_key: Option<String>,
    /// Replace what is there, whoever made it
    #[arg(long)]
    force: bool,
    /// Say what was made as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(_: &Context, args: Args) -> Result<(), Error> {
    let invitation = read(&args.invitation)?;
    let place = place(&args, &invitation.address)?;
    let overwrite = if args.force { Overwrite::Anything } else { Overwrite::Own };
    check(&place, &invitation.address, overwrite)?;

    let over_ssh = match args.ssh {
        true => {
            let folder = SshFolder::of_user()?;
            let chosen = folder.choose(args.ssh_key.as_deref())?;
            Some((folder, chosen))
        }
        false => None,
    };
    let ssh_key = over_ssh.as_ref().map(|(_, chosen)| chosen.line.as_str());

    let id = invitation.secret.hash();
    let owner = Owner::Current;
    let pem = place.pending_key(&owner, &id, || {
        let key = Key::generate().doing(|| "make a key".to_owned())?;
        Ok::<_, Error>(key.to_pem().to_string())
    })?;
    let key = Key::from_pem(&pem).doing(|| format!("read the key begun for {place}"))?;
    let grant = match super::renew::wait_for(client::join(&invitation, &key, ssh_key))? {
        Ok(grant) => grant,
        Err(failure) => {
            if matches!(failure, Failure::Refused { code: Code::Invitation, .. }) {
                place.forget_pending_key(&owner, &id)?;
            }
            return Err(explain(failure));
        }
    };
    let not_after = grant.ends();
    let Grant { certificate, ca, identity, ssh, .. } = grant;
    let over_ssh = match (over_ssh, ssh) {
        (Some((folder, chosen)), Some(door)) => {
            let known = folder.know(&invitation.address, &door)?;
            Some(OverSsh { chosen, known, port: door.port })
        }
        _ => None,
    };
    let port = over_ssh.as_ref().map(|over| over.port);
    let enrolled = Enrolled { address: invitation.address.clone(), identity, ssh: port };
    let credentials = Credentials { ca, cert: certificate, key: pem };
    place.install(&owner, &enrolled, &credentials, overwrite)?;
    place.forget_pending_key(&owner, &id)?;
    if args.select
        && let Place::Context { docker_config, name } = &place
    {
        context::select(docker_config, &owner, name)?;
        warn_of_what_overrides();
    }
    let made = Made { place, enrolled, over_ssh, not_after };
    report::print(if args.json { made.json() } else { made.text(args.select) })
}

fn read(argument: &str) -> Result<Invitation, Error> {
    let mut text = argument.to_owned();
    if argument == "-" {
        text.clear();
        let input = std::io::stdin();
        let read = if input.is_terminal() {
            // Nowhere is left to ask when standard error is closed.
            let _ = write!(std::io::stderr(), "invitation: ");
            input.read_line(&mut text).map(|_| ())
        } else {
            input.take(MAX_INVITATION).read_to_string(&mut text).map(|_| ())
        };
        read.doing(|| "read the invitation from standard input".to_owned())?;
    }
    text.parse().map_err(|error: NotAnInvitation| {
        let hint = match error {
            NotAnInvitation::Mangled => "copy it whole, or pass it with `seawall join - < FILE`",
            NotAnInvitation::Other => {
                "ask whoever runs the gate for one: `seawall identity add NAME --invite`"
            }
            NotAnInvitation::Version => "use the version of seawall that the gate runs",
        };
        Error::usage(error.to_string()).hint(hint)
    })
}

const MAX_INVITATION: u64 = 4096;

fn place(args: &Args, address: &Address) -> Result<Place, Error> {
    if let Some(dir) = &args.cert_path {
        return absolute(dir.clone()).map(Place::Folder);
    }
    let name = match &args.name {
        Some(name) => name.clone(),
        None => address.host().replace(':', "-").parse().map_err(|_| {
            let host = address.host();
            Error::usage(format!("`{host}` cannot be the name of a docker context"))
                .hint("give one with --name")
        })?,
    };
    Ok(Place::Context { docker_config: docker_config(args.docker_config.clone())?, name })
}

/// `--docker-config`, or where this user's docker looks.
pub(super) fn docker_config(given: Option<PathBuf>) -> Result<PathBuf, Error> {
    let dir = match given {
        Some(dir) => dir,
        None => Owner::Current.docker_config().map_err(|error| {
            Error::usage(error.to_string()).hint("say where with --docker-config")
        })?,
    };
    absolute(dir)
}

pub(super) fn absolute(path: PathBuf) -> Result<PathBuf, Error> {
    std::path::absolute(&path).doing(|| format!("use `{}`", path.display()))
}

// Whom the invitation is for is known only once it is spent; whatever can be said before that
// is said before.
fn check(place: &Place, address: &Address, overwrite: Overwrite) -> Result<(), Error> {
    if overwrite == Overwrite::Anything {
        return Ok(());
    }
    match place.enrolled()? {
        Some(enrolled) if enrolled.address != *address => {
            Err(PlaceError::Other { place: place.to_string(), enrolled: Box::new(enrolled) }.into())
        }
        _ => Ok(()),
    }
}

fn warn_of_what_overrides() {
    for variable in ["DOCKER_HOST", "DOCKER_CONTEXT"] {
        if std::env::var_os(variable).is_some_and(|value| !value.is_empty()) {
            // Nowhere is left to warn when standard error is closed.
            let _ = writeln!(
                std::io::stderr(),
                "warning: {variable} is set here, and docker heeds it before the context in use"
            );
        }
    }
}

/// A way over SSH that was made.
struct OverSsh {
    chosen: ssh::Chosen,
    /// The line of known_hosts.
    known: String,
    port: u16,
}

/// What there is now.
struct Made {
    place: Place,
    enrolled: Enrolled,
    over_ssh: Option<OverSsh>,
    not_after: SystemTime,
}

impl Made {
    fn text(&self, selected: bool) -> String {
        let Enrolled { address, identity, .. } = &self.enrolled;
        let until = minute(self.not_after);
        let (made, next, renew) = match &self.place {
            Place::Context { name, .. } if selected => (
                format!("the docker context `{name}`, now in use"),
                "docker ps".to_owned(),
                "seawall renew --install".to_owned(),
            ),
            Place::Context { name, .. } => (
                format!("the docker context `{name}`"),
                format!("docker --context {name} ps"),
                "seawall renew --install".to_owned(),
            ),
            Place::Folder(dir) => {
                let dir = dir.display();
                (
                    format!("ca.pem, cert.pem and key.pem in {dir}"),
                    format!(
                        "DOCKER_HOST=tcp://{address} DOCKER_TLS_VERIFY=1 \
                         DOCKER_CERT_PATH={dir} docker ps"
                    ),
                    format!("seawall renew --install --cert-path {dir}"),
                )
            }
        };
        let Some(OverSsh { chosen, known, .. }) = &self.over_ssh else {
            return format!(
                "made: {made}: {identity} at {address} until {until}\n\
                 next: {next}\n\
                 to renew it before it ends: {renew}\n"
            );
        };
        let key = match &chosen.file {
            Some(file) => file.display().to_string(),
            None => chosen.line.clone(),
        };
        let mut text = format!(
            "made: {made}: {}\n\
             registered: {key}\n\
             known_hosts: {known}\n\
             next: {next}\n",
            self.enrolled.docker_host()
        );
        if !chosen.offered {
            text += "note: ssh must be told of that key: `ssh-add`, or IdentityFile in \
                     ~/.ssh/config\n";
        }
        text
    }

    fn json(&self) -> String {
        let mut made = json!({
            "identity": self.enrolled.identity.as_str(),
            "address": self.enrolled.address.to_string(),
            "not_after": rfc3339(self.not_after),
        });
        if let Some(over) = &self.over_ssh {
            made["docker_host"] = self.enrolled.docker_host().into();
            made["ssh_key"] = over.chosen.line.as_str().into();
            made["known_hosts"] = over.known.as_str().into();
        }
        match &self.place {
            Place::Context { docker_config, name } => {
                made["context"] = name.as_str().into();
                made["docker_config"] = docker_config.display().to_string().into();
            }
            Place::Folder(dir) => made["cert_path"] = dir.display().to_string().into(),
        }
        format!("{made:#}\n")
    }
}

/// For people: `2026-09-24 10:00 UTC`.
pub(super) fn minute(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    let (date, hour, minute) = (at.date(), at.hour(), at.minute());
    format!("{date} {hour:02}:{minute:02} UTC")
}

impl From<PlaceError> for Error {
    fn from(error: PlaceError) -> Self {
        let hint = match &error {
            PlaceError::Foreign { .. } | PlaceError::Other { .. } => {
                "choose another place with --name or --cert-path, or replace this one with --force"
            }
            PlaceError::Absent { .. } => "`seawall join` makes it from an invitation",
            PlaceError::Io { .. } => return Self::failed(error.to_string()),
        };
        Self::failed(error.to_string()).hint(hint)
    }
}

/// A failure to get a certificate, with what to do about it.
pub(super) fn explain(failure: Failure) -> Error {
    let error = Error::failed(failure.to_string());
    match failure {
        Failure::Answer => error.hint("gate and client may be of versions that do not fit"),
        Failure::Credentials | Failure::Rejected(_) => {
            error.hint("ask whoever runs the gate for a new invitation")
        }
        Failure::GateCertificate { host, .. } => error
            .hint(format!("on the gate's host: `seawall up --hostname {host}`"))
            .hint("or the clock of this machine is wrong"),
        Failure::Io { doing: "connect to", error: ref io, .. } => match io.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                error.hint("nothing listens there: is the gate running, and is this its address?")
            }
            _ => error.hint("is the address reachable from here, or is a firewall in between?"),
        },
        Failure::Io { .. } => error.hint("if it broke off before the answer, run it again"),
        Failure::Key(_) => error,
        Failure::Late(_) => {
            error.hint("is a firewall in between, or the address another machine's?")
        }
        Failure::NoEnrolment(_) | Failure::NotTls(_) => {
            error.hint("nothing was sent; is this the address and port of the gate?")
        }
        Failure::Tls { .. } => error.hint("nothing was sent"),
        Failure::Refused { code, from, .. } => match (code, from) {
            (Code::TooEarly, Some(from)) => error.hint(format!("come again {}", minute(from))),
            (Code::Busy | Code::Clock | Code::Unavailable, _) => {
                error.hint("nothing is lost: run the same command again in a minute")
            }
            (Code::Invitation | Code::Certificate, _) => {
                error.hint("ask whoever runs the gate for a new invitation")
            }
            _ => error,
        },
        Failure::WrongCa(_) => error
            .hint("nothing was sent; somebody may be between you and the gate")
            .hint("or the gate was set up anew: ask whoever runs it for a new invitation"),
    }
}
