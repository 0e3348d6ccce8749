//! `seawall serve`: the gate from its configuration, from dockerd's flags, or both.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;

use super::report::{self, Error};
use super::{Context, absolute};
use crate::config::{self, Config, Listen, Overrides};
use crate::gate;

/// Run the gate from its configuration, or from a dockerd command line
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "Examples:
  seawall serve
  seawall serve --check
  seawall serve --tlsverify --tlscacert=ca.pem --tlscert=server-cert.pem \\
      --tlskey=server-key.pem -H tcp://0.0.0.0:2376

Flags win over the configuration file. With `--tlsverify` none is needed.")]
pub(super) struct Args {
    /// Where to listen: tcp://ADDRESS:PORT, ssh://ADDRESS:PORT, fd://, unix:///PATH?identity=NAME (repeatable)
    #[arg(short = 'H', long, value_name = "HOST")]
    host: Vec<String>,
    /// The engine: unix:///PATH, or tcp://HOST:PORT with [upstream_tls] in the configuration
    #[arg(long, value_name = "HOST")]
    upstream: Option<String>,
    /// Use TLS; refused without --tlsverify, which implies it
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
        help_heading = "As dockerd has them"
    )]
    tls: Option<bool>,
    /// Ask clients for a certificate, as the gate always does
    ///
    /// Also DOCKER_TLS_VERIFY.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
        help_heading = "As dockerd has them"
    )]
    tlsverify: Option<bool>,
    /// The CA that signs clients [default: ca.pem in $DOCKER_CERT_PATH or ~/.docker]
    #[arg(long, value_name = "FILE", help_heading = "As dockerd has them")]
    tlscacert: Option<PathBuf>,
    /// The gate's certificate [default: cert.pem in $DOCKER_CERT_PATH or ~/.docker]
    #[arg(long, value_name = "FILE", help_heading = "As dockerd has them")]
    tlscert: Option<PathBuf>,
    /// Its key [default: key.pem in $DOCKER_CERT_PATH or ~/.docker]
    #[arg(long, value_name = "FILE", help_heading = "As dockerd has them")]
    tlskey: Option<PathBuf>,
    /// Revocation lists of that CA; an expired one refuses everybody
    #[arg(long, value_name = "FILE", help_heading = "For certificates made elsewhere")]
    crl: Option<PathBuf>,
    /// Role of that CA's certificates that match no identity; without it they may do nothing
    #[arg(long, value_name = "ROLE", help_heading = "For certificates made elsewhere")]
    default_role: Option<String>,
    /// Let --default-role be admin: every certificate of that CA is root on this host
    #[arg(long, help_heading = "For certificates made elsewhere")]
    unsafe_default_admin: bool,
    /// Validate everything, say what would be served, and exit
    #[arg(long)]
    check: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let check = args.check;
    let file = match context.config_file.exists() {
        true => File::Present,
        false => File::Absent,
    };
    let overrides = overrides(args, &Environment::of_this_process(), file)?;
    let config = config::load(context, &overrides)?;
    if check {
        gate::check(&config, &context.state_dir)?;
        return report::print(summary(&config));
    }
    let again: Vec<_> = std::env::args_os().skip(1).collect();
    gate::run(context, config, &again)
}

/// What of the environment dockerd looks at.
#[derive(Debug, Default)]
struct Environment {
    docker_tls_verify: Option<OsString>,
    docker_cert_path: Option<OsString>,
    home: Option<OsString>,
}

impl Environment {
    fn of_this_process() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            docker_tls_verify: set("DOCKER_TLS_VERIFY"),
            docker_cert_path: set("DOCKER_CERT_PATH"),
            home: set("HOME"),
        }
    }
}

/// Whether there is a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Absent,
    Present,
}

/// What the flags say, once it is certain that nothing they say is insecure.
fn overrides(args: Args, environment: &Environment, file: File) -> Result<Overrides, Error> {
    let verify = args.tlsverify.or(environment.docker_tls_verify.as_ref().map(|_| true));
    refuse_open_doors(&args, verify, file)?;

    let mut overrides = Overrides::default();
    let certificates = [
        ("tls.ca", "--tlscacert", args.tlscacert, "ca.pem"),
        ("tls.cert", "--tlscert", args.tlscert, "cert.pem"),
        ("tls.key", "--tlskey", args.tlskey, "key.pem"),
    ];
    let named = certificates.iter().any(|(_, _, path, _)| path.is_some());
    // Beside a configuration `--tlsverify` alone says nothing new: that is how it is served.
    if verify == Some(true) && (named || file == File::Absent) {
        for (key, flag, path, usual) in certificates {
            let path = match path {
                Some(path) => path,
                None => usual_folder(environment)?.join(usual),
            };
            let path = absolute(path)?;
            must_exist(flag, &path)?;
            overrides.text(key, flag, path.to_string_lossy());
        }
        overrides.suffice();
    }
    if !args.host.is_empty() {
        overrides.texts("listen", "--host", args.host);
    }
    if let Some(upstream) = args.upstream {
        overrides.text("upstream", "--upstream", upstream);
    }
    if let Some(crl) = args.crl {
        let crl = absolute(crl)?;
        must_exist("--crl", &crl)?;
        overrides.text("tls.crl", "--crl", crl.to_string_lossy());
    }
    if let Some(role) = args.default_role {
        overrides.text("tls.default_role", "--default-role", role);
    }
    if args.unsafe_default_admin {
        overrides.truth("tls.unsafe_default_admin", "--unsafe-default-admin", true);
    }
    Ok(overrides)
}

/// dockerd would serve some of its command lines without asking clients who they are.
fn refuse_open_doors(args: &Args, verify: Option<bool>, file: File) -> Result<(), Error> {
    let plain = args.host.iter().find(|host| host.starts_with("tcp://") || !host.contains("://"));
    let named = args.tlscacert.is_some() || args.tlscert.is_some() || args.tlskey.is_some();
    let why = match (verify, args.tls, plain) {
        (Some(true), _, _) => return Ok(()),
        (Some(false), _, _) => {
            "`--tlsverify=false` lets in everybody who reaches the port, as root on this host"
                .to_owned()
        }
        (None, Some(true), _) => "`--tls` without `--tlsverify` encrypts, and lets in everybody \
            who reaches the port, as root on this host"
            .to_owned(),
        (None, _, Some(host)) => {
            let loopback = match config::parse_listen(host) {
                Ok(Listen::Tcp { at, .. }) if at.address().ip().is_loopback() => {
                    ", and loopback is reached by every local user, by containers on the host's \
                     network and by web pages"
                }
                _ => "",
            };
            format!(
                "`-H {}` without `--tlsverify` is plain TCP: whoever reaches it is root on this \
                 host{loopback}",
                host.escape_debug()
            )
        }
        (None, _, None) if named => {
            "certificates without `--tlsverify` would not be asked for".to_owned()
        }
        (None, _, None) => return Ok(()),
    };
    let told = Error::usage(why).hint(format!("say `{}`", safe_command(args, file)));
    Err(match file {
        File::Absent => told.hint("without certificates yet, `sudo seawall up` makes them"),
        File::Present => told,
    })
}

/// The same command line, secure.
fn safe_command(args: &Args, file: File) -> String {
    let mut command = "seawall serve --tlsverify".to_owned();
    let paths = [
        ("--tlscacert", &args.tlscacert, "ca.pem"),
        ("--tlscert", &args.tlscert, "server-cert.pem"),
        ("--tlskey", &args.tlskey, "server-key.pem"),
    ];
    let named = paths.iter().any(|(_, path, _)| path.is_some());
    if named || file == File::Absent {
        for (flag, path, usual) in paths {
            let path = path.as_deref().unwrap_or(Path::new(usual));
            command += &format!(" {flag}={}", path.display());
        }
    }
    for host in &args.host {
        let host = match host.strip_suffix(":2375") {
            Some(host) => format!("{host}:2376"),
            None => host.clone(),
        };
        command += &format!(" -H {}", host.escape_debug());
    }
    command
}

fn usual_folder(environment: &Environment) -> Result<PathBuf, Error> {
    if let Some(path) = &environment.docker_cert_path {
        return Ok(path.into());
    }
    let home = environment.home.as_ref().map(|home| Path::new(home).join(".docker"));
    home.ok_or_else(|| {
        Error::usage("cannot tell where the certificates are: HOME is not set")
            .hint("name them with --tlscacert, --tlscert and --tlskey")
    })
}

fn must_exist(flag: &str, path: &Path) -> Result<(), Error> {
    match std::fs::File::open(path) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(Error::usage(format!("{flag}: cannot read `{}`: {error}", path.display())))
        }
    }
}

fn summary(config: &Config) -> String {
    let mut summary = String::new();
    for listener in &config.listen {
        summary += &format!("listen    {listener}\n");
    }
    summary += &format!("upstream  {}\n", config.upstream);
    summary += match &config.tls.outside {
        Some(_) => "clients   certificates of the CA given\n",
        None => "clients   certificates of the gate's own CA\n",
    };
    summary + "the configuration is valid\n"
}

#[cfg(test)]
mod tests;
