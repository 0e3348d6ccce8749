//! The configuration that `up` wants, beside the one that is there.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write as _};
use std::path::Path;

use seawall_rules::network::Networks;

use super::Args;
use super::host::Host;
use crate::cli::Context;
use crate::cli::report::{Doing, Error};
use crate::config::{self, Config, Listen, Overrides, SSH_PORT, TLS_PORT, custody};
use crate::enrol::files::{self, Access};
use crate::listen::open_to_the_internet;

/// A configuration to be written, or to be left as it is.
#[derive(Debug)]
pub(super) struct Plan {
    /// What it means.
    pub(super) config: Config,
    /// What is to become of the file.
    pub(super) change: Change,
}

/// What `up` has to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The first configuration.
    New(String),
    /// More names for the certificate, in the operator's own file.
    Names(String),
    /// Nothing.
    None,
}

/// Compares what the flags say with the file, or composes a new file from them.
///
/// # Errors
/// [`crate::cli::report::Kind::Usage`] for a flag that differs from the file, naming the key;
/// for a public address without a word about who may reach it; for a file that is not valid.
pub(super) fn make(context: &Context, args: &Args, host: &Host) -> Result<Plan, Error> {
    let file = &context.config_file;
    match std::fs::read_to_string(file) {
        Ok(text) => keep(context, args, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => compose(context, args, host),
        Err(error) => Err(Error::usage(format!("cannot read `{}`: {error}", file.display()))),
    }
}

/// Writes the file, whole or not at all, where nobody else can change it.
///
/// # Errors
/// Where it cannot be written, or others could change it.
pub(super) fn write(file: &Path, text: &str) -> Result<(), Error> {
    let writing = || format!("write {}", file.display());
    if let Some(folder) = file.parent() {
        files::folder(folder, Access::Everyone).doing(writing)?;
        custody::require(folder)?;
    }
    files::replace(file, text.as_bytes(), Access::Everyone).doing(writing)
}

fn compose(context: &Context, args: &Args, host: &Host) -> Result<Plan, Error> {
    let mut names = host.certificate_names();
    names.extend(
        args.hostname.iter().filter(|name| !host.certificate_names().contains(name)).cloned(),
    );
    let mut set = BTreeMap::from([("hostnames", config::toml_list(&names))]);
    if let Some(listen) = listen(args) {
        set.insert("listen", config::toml_list(&listen));
    }
    if let Some(upstream) = args.upstream.clone().or_else(rootless_engine) {
        set.insert("upstream", format!("{upstream:?}"));
    }
    if !args.allow.is_empty() {
        set.insert("network.allow", config::toml_list(&with_this_host(&args.allow)));
    }
    let state_dir = context.state_dir.to_string_lossy();
    let interpret = |set: &BTreeMap<&str, String>| {
        let text = config::commented(set, &state_dir);
        let config = config::interpret(&text, context, &Overrides::default());
        // The text is ours, so what is wrong with it is wrong with the flags.
        config.map(|config| (text, config)).map_err(|_| match flags_alone(context, args) {
            Err(error) => error,
            Ok(()) => Error::failed("the new configuration would not be valid"),
        })
    };
    let (mut text, mut config) = interpret(&set)?;
    let open = open_to_the_internet(&config, &host.interfaces);
    if !open.is_empty() && !args.allow_any {
        let shown: Vec<_> = open.iter().map(ToString::to_string).collect();
        let allow = ask_who_may_reach(&shown.join(", "), args)?;
        if !allow.is_empty() {
            set.insert("network.allow", config::toml_list(&with_this_host(&allow)));
            (text, config) = interpret(&set)?;
        }
    }
    Ok(Plan { config, change: Change::New(text) })
}

fn keep(context: &Context, args: &Args, text: &str) -> Result<Plan, Error> {
    let old = config::load(context, &Overrides::default())?;
    let mut args = args.clone();
    // With a port of the operator's choice it is there already.
    if args.listen.is_empty()
        && old.listen.iter().any(|listen| matches!(listen, Listen::Ssh { .. }))
    {
        args.ssh = false;
    }
    let args = &args;
    let wanted = flags_over(context, args, text)?;
    let listen: Vec<_> = old.listen.iter().map(ToString::to_string).collect();
    let listening = if args.listen.is_empty() { "--ssh" } else { "--listen" };
    let differing = [
        (listening, "listen", wanted.listen != old.listen, Some(listen.join(", "))),
        ("--upstream", "upstream", wanted.upstream != old.upstream, Some(old.upstream.to_string())),
        ("--allow", "network.allow", wanted.networks != old.networks, None),
        (
            "--allow-any",
            "network.allow",
            args.allow_any && old.networks != Networks::default(),
            None,
        ),
    ];
    for (flag, key, differs, there) in differing {
        if differs {
            return Err(differs_from(&context.config_file, flag, key, there.as_deref()));
        }
    }
    let mut names = old.tls.hostnames.clone();
    names.extend(args.hostname.iter().filter(|name| !old.tls.hostnames.contains(name)).cloned());
    if names == old.tls.hostnames {
        return Ok(Plan { config: old, change: Change::None });
    }
    let text = config::with_hostnames(text, &names);
    let config = config::interpret(&text, context, &Overrides::default())
        .map_err(|_| Error::usage("`--hostname` must be a host name or an IP address"))?;
    Ok(Plan { config, change: Change::Names(text) })
}

fn differs_from(file: &Path, flag: &str, key: &str, there: Option<&str>) -> Error {
    let there = there.map(|there| format!(", which is `{there}`")).unwrap_or_default();
    Error::usage(format!("`{flag}` differs from `{key}` in `{}`{there}", file.display()))
        .hint(format!("leave out `{flag}`, or change `{key}` there and run `seawall reload`"))
}

/// What `text` means under the flags that stand for keys.
fn flags_over(context: &Context, args: &Args, text: &str) -> Result<Config, Error> {
    let mut overrides = Overrides::default();
    if let Some(listen) = listen(args) {
        overrides.texts("listen", "--listen", listen);
    }
    if let Some(upstream) = &args.upstream {
        overrides.text("upstream", "--upstream", upstream.clone());
    }
    if !args.allow.is_empty() {
        overrides.texts("network.allow", "--allow", with_this_host(&args.allow));
    }
    config::interpret(text, context, &overrides)
}

/// What the flags say about `listen`, if anything.
fn listen(args: &Args) -> Option<Vec<String>> {
    let mut listen = args.listen.clone();
    if args.ssh {
        if listen.is_empty() {
            listen.push(format!("tcp://[::]:{TLS_PORT}"));
        }
        listen.push(format!("ssh://[::]:{SSH_PORT}"));
    }
    (!listen.is_empty()).then_some(listen)
}

fn flags_alone(context: &Context, args: &Args) -> Result<(), Error> {
    let mut overrides = Overrides::default();
    if !args.hostname.is_empty() {
        overrides.texts("hostnames", "--hostname", args.hostname.clone());
    }
    config::interpret("", context, &overrides)?;
    flags_over(context, args, "").map(drop)
}

/// The context that `up` makes reaches the gate by the loopback.
fn with_this_host(allow: &[String]) -> Vec<String> {
    let loopback = ["127.0.0.0/8", "::1"].map(str::to_owned);
    let missing = loopback.into_iter().filter(|net| !allow.contains(net));
    allow.iter().cloned().chain(missing).collect()
}

/// The socket of a user's own engine, where there is one and no engine of the host's.
fn rootless_engine() -> Option<String> {
    if nix::unistd::geteuid().is_root() {
        return None;
    }
    let usual = Path::new("/var/run/docker.sock");
    let rootless = Path::new(&std::env::var_os("XDG_RUNTIME_DIR")?).join("docker.sock");
    (!usual.exists() && rootless.exists()).then(|| format!("unix://{}", rootless.display()))
}

fn ask_who_may_reach(public: &str, args: &Args) -> Result<Vec<String>, Error> {
    let refusal = || {
        Error::usage(format!("the gate would listen on the public address {public}"))
            .hint("say who may reach it: `seawall up --allow 203.0.113.0/24`")
            .hint("or that everybody may, certificates being asked for in any case: `seawall up --allow-any`")
    };
    if args.yes || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(refusal());
    }
    let question = format!(
        "The gate would listen on the public address {public}.\n\
         Which networks may reach it? Networks with spaces between, or `any`: "
    );
    let mut answer = String::new();
    let mut ask = || {
        std::io::stderr().write_all(question.as_bytes())?;
        std::io::stdin().lock().read_line(&mut answer)
    };
    ask().doing(|| "ask who may reach the gate".to_owned())?;
    match answer.trim() {
        "" => Err(refusal()),
        "any" => Ok(Vec::new()),
        networks => {
            Ok(networks.split([' ', ',']).map(str::to_owned).filter(|n| !n.is_empty()).collect())
        }
    }
}
