//! `seawall scan`: whether an engine is exposed or badly secured: this host's, a folder's, or one at
//! an address.

mod addresses;
mod baseline;
mod explain;
mod fix;
mod html;
mod json;
mod junit;
mod markdown;
mod sarif;
mod text;
mod waivers;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use seawall_rules::exposure::waiver::Waiver;
use seawall_rules::exposure::{Finding, Report, Scope, Severity, judge};
use time::OffsetDateTime;

use super::Context;
use super::report::{self, Doing as _, Error};
use crate::config;
use crate::enrol::files;
use crate::exposure;
use fix::Consent;

/// Find out whether a Docker daemon is exposed, and what closes it
///
/// Without --root it looks at this host: engines and their settings, listening ports, sockets and
/// who may open them, SSH, certificates and keys, contexts, containers. It changes nothing. As
/// root it sees all; what it may not see it lists as not known. With targets it looks at those
/// addresses as a stranger would.
///
/// Exit codes: 0 nothing at or above --fail-on, 3 something, 4 nothing to scan.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sudo seawall scan\n  \
    seawall scan --root ./image --format sarif > findings.sarif\n  \
    sudo seawall scan --format json > known.json && sudo seawall scan --baseline known.json\n  \
    seawall scan tcp://build-7:2376 ssh://build-7\n  \
    sudo seawall scan --fix\n  \
    seawall scan --explain NET-001\n\n\
    A waiver, for --waivers FILE:\n  \
    [[waiver]]\n  \
    check = \"SOCK-004\"\n  \
    subject = \"alice (docker)\"        # as the report says it; * stands for anything\n  \
    reason = \"on call until the gate is rolled out\"\n  \
    until = 2027-01-31")]
pub(crate) struct Args {
    #[command(flatten)]
    addresses: addresses::Addresses,
    /// Look at the files of this folder instead: an unpacked image, a repository of configuration
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Exit with 3 when something this bad or worse is found
    #[arg(long, value_name = "SEVERITY", value_parser = severity, default_value = "high",
          hide_possible_values = true)]
    fail_on: Severity,
    /// Fail only on what is not in this earlier report (`--format json`)
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Findings that are accepted, each with a reason and an end (TOML)
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// Put right what can be: permissions and drop-ins, each shown as a diff and asked for
    ///
    /// Restarts nothing. What was there before is kept in the state folder.
    #[arg(long, conflicts_with_all = ["targets", "file", "list", "explain", "for_gate"])]
    fix: bool,
    /// Make every change that --fix shows, without asking
    #[arg(long, requires = "fix")]
    yes: bool,
    /// Take back what the last --fix changed
    #[arg(long, conflicts_with_all = ["fix", "root", "targets", "file", "list", "explain", "for_gate"])]
    undo: bool,
    /// Leave the result where the gate reads it (`scan.result`), as JSON, and print nothing
    #[arg(long, conflicts_with_all = ["root", "targets", "file", "list", "explain", "format",
          "baseline"])]
    for_gate: bool,
    /// Tell about one check instead
    #[arg(long, value_name = "ID", conflicts_with_all = ["root", "list"])]
    explain: Option<String>,
    /// List all checks instead
    #[arg(long, conflicts_with = "root")]
    list: bool,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
    Junit,
    Markdown,
    Html,
}

fn severity(name: &str) -> Result<Severity, String> {
    Severity::named(name).ok_or_else(|| {
        let names: Vec<_> = Severity::ALL.iter().map(|severity| severity.as_str()).collect();
        format!("it is one of {}", names.join(", "))
    })
}

/// A report with what is accepted, what was known, and what there is to say about it.
struct Outcome {
    /// Findings that count.
    report: Report,
    /// Findings that a waiver takes in.
    waived: Vec<(Finding, Waiver)>,
    /// Findings that the baseline has, if there is one.
    known: Option<Vec<Finding>>,
    /// Fingerprints of the baseline that are found no more.
    gone: Vec<String>,
    /// What is odd about waivers.
    notes: Vec<String>,
    /// Whether places are files of a folder rather than of this host.
    is_folder: bool,
    when: OffsetDateTime,
}

impl Outcome {
    /// What stands after the findings, by title: a line each, and no title without a line.
    fn remarks(&self) -> Vec<(&'static str, Vec<String>)> {
        let unknown = self.report.unknown.iter();
        let waived = self.waived.iter().map(|(finding, waiver)| {
            let until = waivers::date(waiver.until);
            format!("{} until {until}: {}", finding.fingerprint(), waiver.reason)
        });
        let known = self.known.iter().flatten();
        let mut remarks = vec![
            (
                "Not known, and so not passed",
                unknown.map(|it| format!("{} {}: {}", it.check.id, it.subject, it.why)).collect(),
            ),
            ("Waived", waived.collect::<Vec<_>>()),
            ("Known before", known.map(Finding::fingerprint).collect()),
            ("Found no more", self.gone.clone()),
            ("Notes", self.notes.clone()),
        ];
        remarks.retain(|(_, lines)| !lines.is_empty());
        remarks
    }

    /// Findings that are in the report but do not count: known ones, then waived ones.
    fn set_aside(&self) -> impl Iterator<Item = &Finding> {
        self.known.iter().flatten().chain(self.waived.iter().map(|(finding, _)| finding))
    }

    fn count(&self, severity: Severity) -> usize {
        self.report.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

pub(crate) fn run(context: &Context, args: Args) -> Result<(), Error> {
    if args.list {
        return report::print(explain::list(args.format)?);
    }
    if let Some(id) = &args.explain {
        return report::print(explain::one(id)?);
    }
    if args.undo {
        return fix::undo(&context.state_dir);
    }
    let waivers = args.waivers.as_deref().map(waivers::read).transpose()?.unwrap_or_default();
    let baseline = args.baseline.as_deref().map(baseline::read).transpose()?;
    let mut report = look(context, &args)?;
    if args.fix && put_right(context, &args, &report, &waivers)? {
        report = look(context, &args)?;
    }
    let outcome = weigh(report, waivers, baseline, args.root.is_some());
    if args.for_gate {
        return for_gate(context, &outcome);
    }
    report::print(match args.format {
        Format::Text => text::write(&outcome, &text::Style::of_terminal()),
        Format::Json => json::write(&outcome)?,
        Format::Sarif => sarif::write(&outcome)?,
        Format::Junit => junit::write(&outcome),
        Format::Markdown => markdown::write(&outcome),
        Format::Html => html::write(&outcome),
    })?;
    let bad = outcome.report.findings.iter().filter(|it| it.severity >= args.fail_on).count();
    match bad {
        0 => Ok(()),
        1 => Err(Error::found(format!("1 finding is {} or worse", args.fail_on))),
        bad => Err(Error::found(format!("{bad} findings are {} or worse", args.fail_on))),
    }
}

/// Leaves the result where the gate reads it, the old or the new one at every moment.
fn for_gate(context: &Context, outcome: &Outcome) -> Result<(), Error> {
    let file = config::load_for_command(context)?.scan.result;
    let text = json::write(outcome)?;
    let write = || {
        if let Some(folder) = file.parent() {
            files::folder(folder, files::Access::Owner)?;
        }
        files::replace(&file, text.as_bytes(), files::Access::Owner)
    };
    write().doing(|| format!("write {}", file.display()))
}

/// Whether anything was changed. What is waived is accepted as it is.
fn put_right(
    context: &Context,
    args: &Args,
    report: &Report,
    waivers: &[Waiver],
) -> Result<bool, Error> {
    let today = OffsetDateTime::now_utc().date();
    let (findings, _, _) = waivers::apply(report.findings.clone(), waivers.to_vec(), today);
    let root = args.root.as_deref().unwrap_or(Path::new("/"));
    let consent = if args.yes { Consent::Given } else { Consent::Ask };
    fix::fix(root, &context.state_dir, &findings, consent)
}

fn look(context: &Context, args: &Args) -> Result<Report, Error> {
    if args.addresses.any() {
        return addresses::look(&args.addresses);
    }
    let (scanned, facts) = match &args.root {
        Some(folder) => {
            let doing = || format!("look at the folder `{}`", folder.display());
            let facts = exposure::folder(folder).doing(doing)?;
            (format!("the folder {}", folder.display()), facts)
        }
        None => {
            let facts = exposure::host(context).doing(|| "look at this host".to_owned())?;
            ("this host".to_owned(), facts)
        }
    };
    if facts.is_empty() {
        return Err(Error::nothing(format!("there is nothing to scan in {scanned}")).hint(
            "no engine, socket, context, Compose file or key was found; is it the right place?",
        ));
    }
    Ok(judge(&scanned, &facts))
}

fn weigh(
    mut report: Report,
    waivers: Vec<Waiver>,
    baseline: Option<Vec<String>>,
    is_folder: bool,
) -> Outcome {
    let when = OffsetDateTime::now_utc();
    let findings = std::mem::take(&mut report.findings);
    let (findings, waived, notes) = waivers::apply(findings, waivers, when.date());
    let gone = baseline.iter().flatten().filter(|fingerprint| {
        let mut all = findings.iter().chain(waived.iter().map(|(finding, _)| finding));
        !all.any(|finding| finding.fingerprint() == **fingerprint)
    });
    let gone = gone.cloned().collect();
    let (known, new) = match baseline {
        Some(fingerprints) => {
            let is_known = |finding: &Finding| fingerprints.contains(&finding.fingerprint());
            let (known, new) = findings.into_iter().partition(is_known);
            (Some(known), new)
        }
        None => (None, findings),
    };
    report.findings = new;
    Outcome { report, waived, known, gone, notes, is_folder, when }
}

/// The scopes in which something was looked at.
fn scopes(report: &Report) -> Vec<Scope> {
    use seawall_rules::exposure::State;
    let all = [Scope::Host, Scope::Address];
    let looked =
        |scope: &Scope| report.states(*scope).any(|(_, state)| state != State::NotApplicable);
    all.into_iter().filter(looked).collect()
}

#[cfg(test)]
mod tests;
