//! `seawall renew`: new certificates for old ones, by hand or by a timer.

mod timer;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::Context;
use super::join::{absolute, docker_config, explain, minute};
use super::report::{self, Doing as _, Error};
use crate::enrol::client;
use crate::enrol::context::{self, ContextName};
use crate::enrol::owner::Owner;
use crate::enrol::place::{Credentials, Enrolled, Overwrite, Place, PlaceError, RenewalKey};
use crate::enrol::wire::renewable_from;
use crate::pki::{Facts, Key};
use crate::state::notation::rfc3339;

/// Renew this machine's certificates, from two thirds of their lifetime on
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall renew prod\n  seawall renew --all --if-due\n  \
    seawall renew --install        # do that every hour from now on")]
pub(super) struct Args {
    /// Docker contexts that seawall made; without one, the only one there is
    #[arg(value_name = "CONTEXT", conflicts_with_all = ["cert_path", "all"])]
    contexts: Vec<ContextName>,
    /// Renew the certificate in this DOCKER_CERT_PATH folder
    #[arg(long, value_name = "DIR", conflicts_with = "all")]
    cert_path: Option<PathBuf>,
    /// Renew every docker context that seawall made
    #[arg(long)]
    all: bool,
    /// Docker's configuration folder; $DOCKER_CONFIG or ~/.docker without it
    #[arg(long, value_name = "DIR", conflicts_with = "cert_path")]
    docker_config: Option<PathBuf>,
    /// Pass over what need not be renewed yet
    #[arg(long)]
    if_due: bool,
    /// Ask the gate even where it is too early or too late by this machine's clock
    #[arg(long, conflicts_with = "if_due")]
    force: bool,
    /// Renew by a systemd timer from now on: every context, or the folder of --cert-path
    #[arg(long, conflicts_with_all = ["contexts", "force", "json"])]
    install: bool,
    /// Say what was done as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(_: &Context, args: Args) -> Result<(), Error> {
    if args.install {
        return timer::install(&args.target()?);
    }
    let when = match (args.force, args.if_due) {
        (true, _) => When::Always,
        (_, true) => When::IfDue,
        _ => When::Due,
    };
    let mut done = Vec::new();
    let mut failures = Vec::new();
    for place in args.places()? {
        match renew(&place, when) {
            Ok(Some(renewed)) => done.push((place, renewed)),
            Ok(None) => {}
            Err(error) => failures.push((place, error)),
        }
    }
    if args.json {
        let done = done.iter().map(|(place, renewed)| renewed.json(place));
        let failed = failures.iter().map(|(place, error)| {
            let mut entry = named(place);
            entry["error"] = error.message.as_str().into();
            entry
        });
        report::print(format!("{:#}\n", Value::Array(done.chain(failed).collect())))?;
    } else {
        for (place, Renewed { enrolled, not_after }) in &done {
            let Enrolled { identity, address, .. } = enrolled;
            let until = minute(*not_after);
            report::print(format!("renewed: {place}: {identity} at {address} until {until}\n"))?;
        }
    }
    // One failure ends the command; those before it are told on the way.
    let last = failures.pop();
    for (place, error) in failures {
        // Nowhere is left to complain to when standard error is closed.
        let _ = writeln!(std::io::stderr(), "{}", of(&place, error));
    }
    last.map_or(Ok(()), |(place, error)| Err(of(&place, error)))
}

/// Runs one exchange with a gate.
pub(super) fn wait_for<T>(exchange: impl Future<Output = T>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing(|| "start the network".to_owned())?;
    Ok(runtime.block_on(exchange))
}

/// What a renewal is about.
enum Target {
    Contexts { docker_config: PathBuf },
    Folder(PathBuf),
}

impl Args {
    fn target(&self) -> Result<Target, Error> {
        match &self.cert_path {
            Some(dir) => absolute(dir.clone()).map(Target::Folder),
            None => {
                let docker_config = docker_config(self.docker_config.clone())?;
                Ok(Target::Contexts { docker_config })
            }
        }
    }

    fn places(&self) -> Result<Vec<Place>, Error> {
        let docker_config = match self.target()? {
            Target::Folder(dir) => return Ok(vec![Place::Folder(dir)]),
            Target::Contexts { docker_config } => docker_config,
        };
        let mut names = self.contexts.clone();
        if names.is_empty() {
            names = context::list(&docker_config)?.into_iter().map(|(name, _)| name).collect();
            if !self.all {
                only(&names)?;
            }
        }
        let place = |name| Place::Context { docker_config: docker_config.clone(), name };
        Ok(names.into_iter().map(place).collect())
    }
}

fn only(names: &[ContextName]) -> Result<(), Error> {
    match names {
        [_] => Ok(()),
        [] => Err(Error::failed("there is no docker context that seawall made")
            .hint("`seawall join` makes one from an invitation")),
        several => {
            let names: Vec<_> = several.iter().map(ContextName::as_str).collect();
            Err(Error::usage(format!("which docker context: {}?", names.join(", ")))
                .hint("name some of them, or give --all"))
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Due,
    IfDue,
}

struct Renewed {
    enrolled: Enrolled,
    not_after: SystemTime,
}

impl Renewed {
    fn json(&self, place: &Place) -> Value {
        let mut entry = named(place);
        entry["identity"] = self.enrolled.identity.as_str().into();
        entry["address"] = self.enrolled.address.to_string().into();
        entry["not_after"] = rfc3339(self.not_after).into();
        entry
    }
}

fn renew(place: &Place, when: When) -> Result<Option<Renewed>, Error> {
    let absent = || PlaceError::Absent { place: place.to_string() };
    let enrolled = place.enrolled()?.ok_or_else(absent)?;
    let present = place.credentials()?;
    let facts = Facts::from_pem(&present.cert).doing(|| "read the certificate".to_owned())?;
    let from = renewable_from(facts.not_before, facts.not_after);
    let now = SystemTime::now();
    if when != When::Always {
        if now >= facts.not_after {
            return Err(Error::failed(format!(
                "the certificate has expired on {}",
                minute(facts.not_after)
            ))
            .hint("ask whoever runs the gate for a new invitation"));
        }
        if now < from && when == When::IfDue {
            return Ok(None);
        }
        if now < from {
            let (from, end) = (minute(from), minute(facts.not_after));
            return Err(Error::failed(format!(
                "the certificate lasts until {end} and is renewed from {from} on"
            )));
        }
    }
    let key = match place.renewal_key()? {
        RenewalKey::New => Key::generate(),
        RenewalKey::Present => Key::from_pem(&present.key),
    };
    let key = key.doing(|| "make a key".to_owned())?;
    let grant = wait_for(client::renew(&enrolled.address, &present, &key))?.map_err(explain)?;
    let not_after = grant.ends();
    let renewed = Enrolled { identity: grant.identity, ..enrolled };
    let credentials =
        Credentials { ca: grant.ca, cert: grant.certificate, key: key.to_pem().to_string() };
    // The gate may have renamed the identity; the place is still its own.
    place.install(&Owner::Current, &renewed, &credentials, Overwrite::Anything)?;
    Ok(Some(Renewed { enrolled: renewed, not_after }))
}

fn of(place: &Place, error: Error) -> Error {
    Error { message: format!("{place}: {}", error.message), ..error }
}

fn named(place: &Place) -> Value {
    match place {
        Place::Context { name, .. } => json!({ "context": name.as_str() }),
        Place::Folder(dir) => json!({ "cert_path": dir.display().to_string() }),
    }
}
