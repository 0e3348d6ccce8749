//! `seawall ca`: the gate's certificate authority.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::identity::unexpected;
use super::join::minute;
use super::report::{self, Doing as _, Error};
use super::table::table;
use crate::admin::client::state_call;
use crate::enrol::files::{self, Access};
use crate::pki::colons;
use crate::state::call::{Force, NotRenewed, Reply, Secret, StateCall};
use crate::state::notation::hex;
use crate::state::{Authority, Standing};

/// Look after the CA: rotate it, write its CRL, bring in your own
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall ca show\n  seawall ca crl --out seawall.crl\n  \
    seawall ca rotate              # and, when all have renewed: seawall ca rotate --finish")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(ShowArgs),
    Rotate(RotateArgs),
    Crl(CrlArgs),
    Import(ImportArgs),
    ExportKey(ExportKeyArgs),
    /// Take the clock for right although it is behind the latest time seen here
    AcceptClock,
}

/// The CAs, their fingerprints, and who has not renewed during a rotation
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Print the certificates of the CAs in force instead, for a ca.pem
    #[arg(long, conflicts_with = "json")]
    pem: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Make a new CA beside the old one; --finish ends the trust in the old one
///
/// From the first step on, certificates come from the new CA, and both CAs are trusted. Clients
/// renew when their time has come, or at once with `seawall renew --force`; `seawall ca show`
/// lists who has not yet. With --finish the old CA's certificates open nothing any more.
#[derive(Debug, clap::Args)]
struct RotateArgs {
    /// End the trust in the old CA
    #[arg(long)]
    finish: bool,
    /// With --finish, also when some have not renewed
    #[arg(long, requires = "finish")]
    force: bool,
}

/// Write the list of revoked certificates (CRL version 2), for others who verify them
///
/// The gate itself goes by its state and needs no CRL.
#[derive(Debug, clap::Args)]
struct CrlArgs {
    /// The CA, by the beginning of its fingerprint; the active one without it
    #[arg(long, value_name = "FINGERPRINT")]
    ca: Option<String>,
    /// DER instead of PEM
    #[arg(long)]
    der: bool,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Bring in your own CA, an outside CA for client certificates only, or a key that was offline
///
/// With --cert and --key, that CA becomes the active one, as in a rotation. With --cert alone,
/// certificates of that CA enter where an identity matches them (`seawall identity add --match`).
/// With --key alone, the active CA gets its key back.
#[derive(Debug, clap::Args)]
#[group(id = "what", required = true, multiple = true, args = ["cert", "key", "remove_outside"])]
struct ImportArgs {
    /// The CA's certificate, PEM
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The CA's key, unencrypted PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// End the trust in the outside CA
    #[arg(long, conflicts_with_all = ["cert", "key"])]
    remove_outside: bool,
}

/// Take the CA's key offline: write it to a file and forget it here
///
/// Until it is imported again nothing new can be issued; what was issued works on. The gate's own
/// certificate is renewed every 60 days and needs the key then.
#[derive(Debug, clap::Args)]
struct ExportKeyArgs {
    /// The CA, by the beginning of its fingerprint; the active one without it
    #[arg(long, value_name = "FINGERPRINT")]
    ca: Option<String>,
    /// The file to write, 0600; it must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Copy the key and keep it here as well
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::Show(args) => show(context, &args),
        Command::Rotate(args) => rotate(context, &args),
        Command::Crl(args) => crl(context, args),
        Command::Import(args) => import(context, &args),
        Command::ExportKey(args) => export_key(context, args),
        Command::AcceptClock => {
            state_call(context, StateCall::AcceptClock)?;
            report::print("accepted: the clock is right\n")
        }
    }
}

fn show(context: &Context, args: &ShowArgs) -> Result<(), Error> {
    let (authorities, not_renewed) = authorities(context, StateCall::Authorities)?;
    if args.pem {
        let own = authorities.iter().filter(|ca| in_force(ca));
        return report::print(own.map(|ca| ca.certificate.as_str()).collect::<String>());
    }
    if args.json {
        let shown = json!({ "authorities": authorities, "not_renewed": not_renewed });
        return report::print(format!("{shown:#}\n"));
    }
    report::print(shown(&authorities, &not_renewed))
}

fn rotate(context: &Context, args: &RotateArgs) -> Result<(), Error> {
    let call = match args.finish {
        true => StateCall::FinishRotation { force: Force::from(args.force) },
        false => StateCall::RotateCa { host: host_name() },
    };
    let (authorities, not_renewed) = authorities(context, call)?;
    report::print(shown(&authorities, &not_renewed))?;
    let next = match args.finish {
        true => "the old CA is trusted no longer",
        false => "next: clients run `seawall renew --force`; then `seawall ca rotate --finish`",
    };
    // Nowhere is left to talk when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{next}");
    Ok(())
}

fn crl(context: &Context, args: CrlArgs) -> Result<(), Error> {
    let Reply::Text(pem) = state_call(context, StateCall::Crl { ca: args.ca })? else {
        return Err(unexpected());
    };
    let bytes = if args.der { der(&pem)? } else { pem.into_bytes() };
    match args.out {
        None => report::print(bytes),
        Some(path) => files::replace(&path, &bytes, Access::Everyone)
            .doing(|| format!("write {}", path.display())),
    }
}

fn import(context: &Context, args: &ImportArgs) -> Result<(), Error> {
    let read =
        |path: &Path| std::fs::read_to_string(path).doing(|| format!("read {}", path.display()));
    let call = match args.remove_outside {
        true => StateCall::RemoveOutsideCa,
        false => StateCall::ImportCa {
            certificate: args.cert.as_deref().map(read).transpose()?,
            key: args.key.as_deref().map(read).transpose()?.map(Secret),
        },
    };
    let (authorities, not_renewed) = authorities(context, call)?;
    report::print(shown(&authorities, &not_renewed))
}

fn export_key(context: &Context, args: ExportKeyArgs) -> Result<(), Error> {
    let Reply::Secret(key) = state_call(context, StateCall::CaKey { ca: args.ca.clone() })? else {
        return Err(unexpected());
    };
    let written = files::create(&args.out, key.0.as_bytes(), Access::Owner);
    written.doing(|| format!("write {}", args.out.display()))?;
    let path = args.out.display();
    if args.keep {
        return report::print(format!("made: {path}, a copy of the CA's key\n"));
    }
    state_call(context, StateCall::ForgetCaKey { ca: args.ca })?;
    report::print(format!(
        "made: {path}, now the only copy of the CA's key\n\
         to issue again: seawall ca import --key {path}\n"
    ))
}

fn authorities(
    context: &Context,
    call: StateCall,
) -> Result<(Vec<Authority>, Vec<NotRenewed>), Error> {
    match state_call(context, call)? {
        Reply::Authorities { authorities, not_renewed } => Ok((authorities, not_renewed)),
        _ => Err(unexpected()),
    }
}

fn shown(authorities: &[Authority], not_renewed: &[NotRenewed]) -> String {
    let mut text = String::new();
    for ca in authorities.iter().filter(|ca| ca.standing != Standing::Retired) {
        let key = match (ca.standing, ca.has_key) {
            (Standing::Outside, _) => "not ours; client certificates enter by match",
            (_, true) => "here",
            (_, false) => "offline",
        };
        text += &format!(
            "{}: {}\n  fingerprint  {}\n  until        {}\n  key          {key}\n",
            ca.standing.as_str(),
            ca.subject,
            colons(&ca.fingerprint),
            minute(ca.not_after),
        );
    }
    if authorities.iter().any(|ca| ca.standing == Standing::Retiring) {
        if not_renewed.is_empty() {
            text += "\nall have renewed: `seawall ca rotate --finish` retires the old CA\n";
        } else {
            let row = |late: &NotRenewed| [late.identity.to_string(), hex(&late.serial)];
            let rows: Vec<_> = not_renewed.iter().map(row).collect();
            text += &format!("\nnot renewed yet:\n{}", table(["NAME", "SERIAL"], &rows));
        }
    }
    text
}

fn in_force(ca: &Authority) -> bool {
    matches!(ca.standing, Standing::Active | Standing::Retiring)
}

fn host_name() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

fn der(pem: &str) -> Result<Vec<u8>, Error> {
    use rustls::pki_types::CertificateRevocationListDer;
    use rustls::pki_types::pem::PemObject as _;
    let crl = CertificateRevocationListDer::from_pem_slice(pem.as_bytes());
    crl.map(|crl| crl.to_vec()).map_err(|_| unexpected())
}
