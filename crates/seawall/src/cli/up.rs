//! `seawall up`: from nothing to a serving gate, in steps that each do nothing when done already,
//! so that a setup cut short is ended by running it again.

mod credentials;
mod engine;
mod host;
mod plan;
mod port;
pub(super) mod service;

use std::ffi::OsString;
use std::os::unix::net::UnixStream;

use super::Context;
use super::report::{self, Error};
use crate::admin::Call;
use crate::admin::client::{call, state_call};
use crate::enrol::place::Place;
use crate::gate;
use crate::pki::colons;
use crate::state::call::{Made, Reply, StateCall};
use crate::state::notation::rfc3339;

use credentials::{Admin, Invoker};
use host::Host;
use plan::{Change, Plan};

/// Set up the gate where there is none, then serve in the foreground
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "Examples:
  sudo seawall up
  sudo seawall up --hostname docker.example.com --allow 10.0.0.0/8 --service

The first run makes a CA, the gate's certificate, the configuration, and an identity and a docker
context for you. Run again, it changes nothing and serves; a new --hostname is added to the
certificate.")]
pub(super) struct Args {
    /// Another name or address for the gate's certificate (repeatable)
    ///
    /// The host's names and the addresses of its interfaces are there already.
    #[arg(long, value_name = "NAME")]
    hostname: Vec<String>,
    /// Where to listen (repeatable) [default: tcp://[::]:2376]
    #[arg(long, value_name = "HOST")]
    listen: Vec<String>,
    /// Listen for `docker -H ssh://` too, on ssh://[::]:2222
    ///
    /// Over SSH nobody is `admin`, or more than `ssh.max_role` in the configuration.
    #[arg(long)]
    ssh: bool,
    /// The engine [default: unix:///var/run/docker.sock]
    #[arg(long, value_name = "HOST")]
    upstream: Option<String>,
    /// Networks that may connect, besides this host itself
    #[arg(long, value_name = "CIDR", num_args = 1.., value_delimiter = ',')]
    allow: Vec<String>,
    /// Let every network connect, on a public address too
    #[arg(long, conflicts_with = "allow")]
    allow_any: bool,
    /// Install, enable and start the systemd service instead of serving here
    #[arg(long)]
    service: bool,
    /// Ask nothing; what would be asked is refused, with the flag that answers it
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    if args.service {
        service::check()?;
    }
    let host = Host::look();
    let plan = plan::make(context, &args, &host)?;
    if UnixStream::connect(&plan.config.admin.socket).is_ok() {
        return beside_a_running_gate(context, &plan);
    }
    let serving = match args.service {
        true => "as a systemd service",
        false if nix::unistd::geteuid().is_root() => {
            "in the foreground; `up --service` makes it a systemd service"
        }
        false => "in the foreground",
    };
    let made = set_up(context, &plan, &host, &Invoker::look()?)?;
    report::print(format!("{made}{:<16}{serving}\n", "serving"))?;
    match args.service {
        true => service::install(context),
        false => gate::run(context, plan.config, &serve(context)),
    }
}

/// The command line that serves what is set up now. The flags of `up` stand in the file, which the
/// operator may have changed since.
fn serve(context: &Context) -> [OsString; 5] {
    let Context { config_file, state_dir, .. } = context.clone();
    ["serve".into(), "--config".into(), config_file.into(), "--state".into(), state_dir.into()]
}

/// Makes what is missing, and says what was made and what is there.
fn set_up(context: &Context, plan: &Plan, host: &Host, invoker: &Invoker) -> Result<String, Error> {
    let config = &plan.config;
    port::check(&config.listen)?;
    let api = engine::check(config)?;
    let mut told = Vec::new();
    let mut line = |what: &str, value: String| told.push(format!("{what:<16}{value}\n"));

    let file = context.config_file.display();
    match &plan.change {
        Change::New(text) => {
            plan::write(&context.config_file, text)?;
            line("made", format!("the configuration {file}"));
        }
        Change::Names(text) => {
            plan::write(&context.config_file, text)?;
            line("changed", format!("the names of the gate's certificate, in {file}"));
        }
        Change::None => {}
    }

    let set_up =
        StateCall::SetUp { host: host.name.clone(), hostnames: config.tls.hostnames.clone() };
    let Reply::SetUp { made, ca, .. } = state_call(context, set_up)? else {
        return Err(Error::failed("the state gave an answer this command does not know"));
    };
    if made == Made::Now {
        line(
            "made",
            format!("a CA and the gate's certificate, in {}", context.state_dir.display()),
        );
    }

    // Clients of an outside CA are that CA's business.
    let admin = match config.tls.outside {
        None => credentials::ensure(context, config, host, invoker, &ca.fingerprint)?,
        Some(_) => None,
    };
    if let Some(Admin { name, place, not_after }) = &admin {
        let until = rfc3339(*not_after);
        line("made", format!("the identity `{name}` with the role admin, until {until}"));
        line("made", format!("{place} for it"));
    }
    line("CA fingerprint", colons(&ca.fingerprint));
    let listen: Vec<_> = config.listen.iter().map(ToString::to_string).collect();
    line("listening on", listen.join(", "));
    line("engine", format!("{}, API {api}", config.upstream));
    if let Some(Admin { place: Place::Context { name, .. }, .. }) = &admin {
        line("try it", format!("docker --context {name} ps"));
    }
    let sudo = if std::env::var_os("SUDO_UID").is_some() { "sudo " } else { "" };
    line("let others in", format!("{sudo}seawall identity add NAME --role ROLE --invite"));
    Ok(told.concat())
}

fn beside_a_running_gate(context: &Context, plan: &Plan) -> Result<(), Error> {
    let Change::Names(text) = &plan.change else {
        return Err(Error::failed("a gate runs here already")
            .hint("`seawall status` shows it, `seawall reload` reads its configuration again"));
    };
    plan::write(&context.config_file, text)?;
    call(context, &Call::Reload)?;
    report::print("the gate that runs here has a certificate with the new names\n")
}

#[cfg(test)]
mod tests;
