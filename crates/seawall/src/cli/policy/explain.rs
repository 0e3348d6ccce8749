//! `seawall policy explain`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use seawall_rules::command_line::{self, Described};
use seawall_rules::facts::term_of;
use seawall_rules::identity::Name;
use seawall_rules::operation::Operation;
use seawall_rules::policy::{ADMIN, Circumstances, Roles};
use serde::Serialize;

use super::asked::{Asker, not_understood};
use crate::audit::read::{self, Body, DecisionRecord, Found, OutcomeRecord};
use crate::cli::Context;
use crate::cli::input::read_text;
use crate::cli::log::Moment;
use crate::cli::report::{self, Doing, Error};
use crate::config;

/// Say why a request was or would be allowed or refused, and how to allow it
///
/// Every refusal names the request's id, and so does the audit trail. Without an id the request is
/// described: by the words of a docker command after `--`, of which the usual commands and flags
/// are known, or by its first line. Nothing is sent, and whose the things are that it names is not
/// looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall policy explain 7f3a91c2b04e-3\n  \
    seawall policy explain --as alice -- run -v /:/host alpine\n  \
    seawall policy explain --as alice --from 10.0.0.5 --at 2026-11-24T22:00:00Z -- stop web\n  \
    seawall policy explain --role developer --request 'POST /containers/create' --body web.json")]
pub(super) struct Args {
    /// The request's id, or its beginning where that is unique
    #[arg(required_unless_present_any = ["identity", "roles"])]
    id: Option<String>,
    /// The identity that would ask
    #[arg(long = "as", value_name = "NAME", conflicts_with = "id")]
    identity: Option<Name>,
    /// A role to ask with in the place of an identity's; can be given several times
    #[arg(long = "role", value_name = "ROLE", conflicts_with_all = ["id", "identity"])]
    roles: Vec<String>,
    /// The address it would come from, for roles with `sources`; without it those are not in force
    #[arg(long, value_name = "ADDRESS", conflicts_with = "id")]
    from: Option<IpAddr>,
    /// When, for roles with `hours`: a date or time, or `2d` ago; now where it is not given
    #[arg(long, value_name = "WHEN", conflicts_with = "id")]
    at: Option<Moment>,
    /// The request as its method and target
    #[arg(long, value_name = "METHOD /PATH", conflicts_with = "words")]
    request: Option<String>,
    /// Its JSON body, `-` for standard input
    #[arg(long, value_name = "FILE", requires = "request")]
    body: Option<PathBuf>,
    /// A docker command
    #[arg(last = true, value_name = "DOCKER COMMAND")]
    words: Vec<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let config = config::load_for_command(context)?;
    let Some(id) = &args.id else {
        let described = described(&args, config.limits.body_bytes as u64)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at = args.at.as_ref().map_or(now.as_secs(), Moment::seconds);
        let here = Circumstances { from: args.from, at };
        let asker = Asker::of(context, &config.roles, args.identity.as_ref(), &args.roles, &here)?;
        let answer = asker.asks(&described, config.min_api);
        return match args.json {
            true => report::print_json(&answer),
            false => report::print(answer.to_text()),
        };
    };
    let dir = config.audit.dir;
    let found =
        read::find(&dir, id).doing(|| format!("read the audit trail in {}", dir.display()))?;
    let explanation = Explanation::of(found, id, &config.roles)?;
    report::print(if args.json { explanation.json() } else { explanation.to_text() })
}

/// The request that is asked about, or the several of a command.
fn described(args: &Args, most: u64) -> Result<Vec<Described>, Error> {
    if let Some(line) = &args.request {
        let body = args
            .body
            .as_deref()
            .map(|file| read_text(file, most).doing(|| format!("read {}", file.display())));
        return Ok(vec![Described::by_line(line, body.transpose()?).map_err(not_understood)?]);
    }
    if args.words.is_empty() {
        return Err(Error::usage("nothing is asked about")
            .hint("write a docker command after `--`, or give `--request 'METHOD /path'`"));
    }
    command_line::read(&args.words).map_err(not_understood)
}

/// A recorded request, and what the roles of today say to it.
#[derive(Serialize)]
struct Explanation {
    time: String,
    #[serde(flatten)]
    decision: DecisionRecord,
    outcome: Option<OutcomeRecord>,
    /// The roles that grant the operation, the least first.
    granted_by: Vec<String>,
    /// What lets this identity do it, where a role would.
    grant: Option<String>,
    #[serde(skip)]
    remedy: Remedy,
}

/// What would let the request pass.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    /// Nothing: it passed.
    Passed,
    /// Nothing: it is closed to everybody.
    Closed,
    /// Another request: this one would be refused whoever sent it.
    Request,
    /// Another identity, or this one in another state.
    Identity,
    /// One of these roles.
    Role,
    /// `admin` alone: no role can be given it.
    Admin,
    /// A role that lists it under this key.
    Term(String),
}

impl Explanation {
    fn of(found: Found, id: &str, roles: &Roles) -> Result<Self, Error> {
        let shown = id.escape_debug();
        let request = match found {
            Found::One(request) => *request,
            Found::None => {
                return Err(Error::failed(format!("the audit trail has no request `{shown}`"))
                    .hint("a refusal names its request; `seawall log tail` lists the latest"));
            }
            Found::Several(ids) => {
                return Err(Error::failed(format!("several requests begin with `{shown}`"))
                    .hint(format!("give one of {}", ids.join(", "))));
            }
        };
        let (time, decision) = match request.decision.map(|entry| (entry.time, entry.body)) {
            Some((time, Body::Decision(decision))) => (time, *decision),
            _ => {
                return Err(Error::failed(format!(
                    "the decision on `{shown}` is no longer in the audit trail"
                ))
                .hint("`audit.keep_bytes` bounds what is kept"));
            }
        };
        let outcome = match request.outcome.map(|entry| entry.body) {
            Some(Body::Outcome(outcome)) => Some(outcome),
            _ => None,
        };
        Ok(Self::new(time, decision, outcome, roles))
    }

    fn new(
        time: String,
        decision: DecisionRecord,
        outcome: Option<OutcomeRecord>,
        roles: &Roles,
    ) -> Self {
        let operation = decision.operation.as_deref().and_then(Operation::named);
        let remedy = Remedy::of(&decision);
        let granted_by: Vec<String> = match (operation, decision.rule.as_str()) {
            (Some(operation), rule) if decision.allowed || rule == OPERATIONS => {
                roles.granting(operation).map(|role| role.name().to_owned()).collect()
            }
            (Some(_), _) if matches!(remedy, Remedy::Admin | Remedy::Term(_)) => {
                vec![ADMIN.to_owned()]
            }
            _ => Vec::new(),
        };
        // What is no name is an outside certificate without an identity.
        let grant = match (&remedy, granted_by.first(), Name::parse(&decision.identity)) {
            (Remedy::Role, Some(role), Ok(name)) => {
                Some(format!("seawall identity set {name} --role {role}"))
            }
            (Remedy::Term(term), ..) => Some(format!("`{term} = [...]` in a role of its own")),
            _ => None,
        };
        Self { time, decision, outcome, granted_by, grant, remedy }
    }

    fn json(&self) -> String {
        // INVARIANT: texts, numbers and lists always serialize.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    fn to_text(&self) -> String {
        let decision = &self.decision;
        let who = match decision.roles.as_str() {
            "" => format!("{}, without a role", decision.identity),
            roles => format!("{} ({roles})", decision.identity),
        };
        let operation = decision.operation.as_deref().and_then(Operation::named);
        let asked_for = operation.map_or_else(
            || "no known operation".to_owned(),
            |operation| format!("{}, to {}", operation.as_str(), operation.route().phrase),
        );
        let decided = if decision.allowed { "allowed" } else { "refused" };
        let mut text = String::new();
        let mut line = |title: &str, value: &str| text += &format!("{title:<12}{value}\n");
        line("request", &decision.id);
        line("when", &self.time);
        let through = decision.balancer.as_ref().map(|balancer| format!(" through {balancer}"));
        let from = decision.peer.clone() + &through.unwrap_or_default();
        line("who", &format!("{who}, by {}, from {from}", decision.credential));
        line("asked", &format!("{} {}", decision.method, decision.target));
        line("that is", &asked_for);
        line("decision", &format!("{decided} by rule {}", decision.rule));
        if let Some(reason) = &decision.reason {
            line("reason", reason);
        }
        if !decision.would_deny.is_empty() {
            line("warn mode", &format!("would be refused by {}", decision.would_deny.join(", ")));
        }
        if !decision.unknown.is_empty() {
            line("unknown", &decision.unknown.join(", "));
        }
        line("outcome", &self.outcome.as_ref().map_or("still running".to_owned(), outcome));
        match self.remedy {
            Remedy::Passed => {}
            Remedy::Closed => line("granted by", "no role"),
            Remedy::Request => {
                line("granted by", "no role: it is the request that is wrong, whoever sends it");
            }
            Remedy::Identity => {
                line("granted by", "no role: it is who asked that is refused, not what");
            }
            Remedy::Admin | Remedy::Role | Remedy::Term(_) => {
                line("granted by", &self.granted_by.join(", "));
            }
        }
        if let Some(grant) = &self.grant {
            line("to grant it", grant);
        }
        text
    }
}

impl Remedy {
    fn of(decision: &DecisionRecord) -> Self {
        match decision.rule.as_str() {
            _ if decision.allowed => Self::Passed,
            "everyone.closed" => Self::Closed,
            OPERATIONS => Self::Role,
            "body.unknown" | "query.unknown" => Self::Admin,
            rule if rule.starts_with("escape.") || rule.starts_with("role.") => {
                term_of(rule).map_or(Self::Admin, |term| Self::Term(term.to_owned()))
            }
            rule if rule.starts_with("identity.") => Self::Identity,
            _ => Self::Request,
        }
    }
}

/// The rule that refuses an operation which no role of the identity has.
const OPERATIONS: &str = "role.operations";

fn outcome(outcome: &OutcomeRecord) -> String {
    let status = match outcome.status {
        None => "unknown".to_owned(),
        Some(0) => "no answer".to_owned(),
        Some(status) => format!("status {status}"),
    };
    let took = outcome
        .took_us
        .map(|micros| format!(" after {:.1?}", Duration::from_micros(micros)))
        .unwrap_or_default();
    format!("{status}, {}{took}", outcome.ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(change: impl FnOnce(&mut DecisionRecord)) -> Explanation {
        let mut decision = DecisionRecord {
            id: "7f3a91c2b04e-3".to_owned(),
            identity: "alice".to_owned(),
            identity_id: Some("0a1b".to_owned()),
            roles: "viewer".to_owned(),
            credential: "cert:1d2e".to_owned(),
            peer: "10.0.0.5:4711".to_owned(),
            balancer: None,
            method: "POST".to_owned(),
            target: "/v1.41/containers/web/stop?t=5".to_owned(),
            operation: Some("ContainerStop".to_owned()),
            allowed: false,
            rule: "role.operations".to_owned(),
            reason: Some(
                "may not stop a container (ContainerStop): role viewer does not grant it; \
                 operator or admin would"
                    .to_owned(),
            ),
            would_deny: Vec::new(),
            unknown: Vec::new(),
            asks: Some(Vec::new()),
            generation: 1,
            user_agent: "Docker-Client/28.2.2 (linux)".to_owned(),
        };
        change(&mut decision);
        let outcome = OutcomeRecord {
            id: decision.id.clone(),
            status: Some(403),
            ending: "complete".to_owned(),
            received: Some(0),
            sent: Some(210),
            took_us: Some(312),
        };
        let time = "2026-11-24T10:26:56.000000Z".to_owned();
        Explanation::new(time, decision, Some(outcome), &Roles::built_in())
    }

    #[test]
    fn a_refusal_is_explained_down_to_the_command_that_grants_it() {
        insta::assert_snapshot!(explain(|_| {}).to_text(), @"
        request     7f3a91c2b04e-3
        when        2026-11-24T10:26:56.000000Z
        who         alice (viewer), by cert:1d2e, from 10.0.0.5:4711
        asked       POST /v1.41/containers/web/stop?t=5
        that is     ContainerStop, to stop a container
        decision    refused by rule role.operations
        reason      may not stop a container (ContainerStop): role viewer does not grant it; operator or admin would
        outcome     status 403, complete after 312.0µs
        granted by  operator, developer, deployer, admin
        to grant it seawall identity set alice --role operator
        ");
    }

    #[test]
    fn what_a_role_cannot_mend_is_said_to_be_so() {
        for (rule, identity, remedy, grant) in [
            ("role.operations", "alice", Remedy::Role, true),
            ("role.operations", "alice", Remedy::Role, true),
            ("role.operations", "CA/CN=alice", Remedy::Role, false),
            ("query.unknown", "alice", Remedy::Admin, false),
            ("escape.privileged", "alice", Remedy::Admin, false),
            ("escape.bind", "alice", Remedy::Term("binds".to_owned()), true),
            ("role.images", "alice", Remedy::Term("images".to_owned()), true),
            ("query.repeated", "alice", Remedy::Request, false),
            ("head.framing", "alice", Remedy::Request, false),
            ("identity.ended", "alice", Remedy::Identity, false),
            ("everyone.closed", "alice", Remedy::Closed, false),
        ] {
            let explained = explain(|decision| {
                decision.rule = rule.to_owned();
                decision.identity = identity.to_owned();
            });
            assert_eq!(explained.remedy, remedy, "{rule}");
            assert_eq!(explained.grant.is_some(), grant, "{rule}");
        }
    }

    #[test]
    fn an_allowed_request_has_nothing_to_grant() {
        let explained = explain(|decision| {
            decision.allowed = true;
            decision.reason = None;
            decision.rule = "operator.operations".to_owned();
        });
        let text = explained.to_text();
        assert!(text.contains("allowed by rule operator.operations"), "{text}");
        assert!(!text.contains("grant"), "{text}");
    }

    #[test]
    fn an_id_that_is_not_there_or_not_unique_is_an_error_with_a_way_on() {
        let error = Explanation::of(Found::None, "7f", &Roles::built_in()).map(|_| ()).unwrap_err();
        assert_eq!(error.message, "the audit trail has no request `7f`");
        let several = Found::Several(vec!["7f-1".to_owned(), "7f-2".to_owned()]);
        let error = Explanation::of(several, "7f", &Roles::built_in()).map(|_| ()).unwrap_err();
        assert_eq!(error.hints, ["give one of 7f-1, 7f-2"]);
    }
}
