//! `seawall policy who-can`.

use seawall_rules::policy::{Question, Roles};
use serde::Serialize;

use super::holders::{self, Holder};
use crate::cli::Context;
use crate::cli::report::{self, Error};
use crate::cli::table::table;
use crate::config;

/// Name everyone who could ever do a thing
///
/// The answer comes from the roles themselves, so it holds for every request there is, not only
/// for those that were seen. A path is had by whoever may bind it or a folder it is in.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall policy who-can become-root\n  \
    seawall policy who-can bind /srv/shop:rw\n  \
    seawall policy who-can use-image registry.example.com/shop/web:1\n  \
    seawall policy who-can publish-port 443\n  \
    seawall policy who-can capability NET_ADMIN\n  \
    seawall policy who-can pull\n  \
    seawall policy who-can ContainerUpdate\n  \
    seawall policy who-can escape.host-pid --json")]
pub(super) struct Args {
    /// What: `become-root`, an operation or a word for it, a rule of the catalogue, or a kind of
    /// thing with its value
    #[arg(required = true, num_args = 1..=2, value_name = "WHAT")]
    what: Vec<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let words: Vec<&str> = args.what.iter().map(String::as_str).collect();
    let question = Question::parse(&words).map_err(|no| Error::usage(no.message).hint(no.hint))?;
    let config = config::load_for_command(context)?;
    let mut all = holders::identities(context)?;
    all.extend(holders::strangers(&config));
    let answer = Answer::to(words.join(" "), &question, &config.roles, &all);
    if args.json { report::print_json(&answer) } else { report::print(answer.to_text()) }
}

/// Who can.
#[derive(Serialize)]
struct Answer {
    question: String,
    /// Whether everybody may who is let in.
    everyone: bool,
    identities: Vec<Able>,
    roles: Vec<Able>,
}

/// One who can.
#[derive(Serialize)]
struct Able {
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    role: String,
    rule: String,
    /// The term that covers it, where one must.
    term: Option<String>,
    operations: Vec<&'static str>,
    /// From where and when alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<String>,
    /// Whether it is only let through, by a role in warn mode.
    warned: bool,
}

impl Answer {
    fn to(asked: String, question: &Question, roles: &Roles, holders: &[Holder]) -> Self {
        let able = |identity: Option<&Holder>, role: &seawall_rules::policy::Role| {
            let way = question.answer(role)?;
            Some(Able {
                identity: identity.map(|holder| holder.name.clone()),
                role: role.name().to_owned(),
                rule: way.rule.to_string(),
                term: way.term,
                operations: way.operations.iter().map(|operation| operation.as_str()).collect(),
                only: way.only,
                warned: way.warned,
            })
        };
        // The way that is open at most times, and that of a role's own word before that of its mode.
        let by_any = |holder: &Holder| {
            let ways = holder.of(roles).into_iter().filter_map(|role| able(Some(holder), &role));
            ways.min_by_key(|able| (able.only.is_some(), able.warned))
        };
        Self {
            question: asked,
            everyone: question.is_for_everyone(),
            identities: holders.iter().filter_map(by_any).collect(),
            roles: roles.all().filter_map(|role| able(None, role)).collect(),
        }
    }

    fn to_text(&self) -> String {
        if self.everyone {
            return format!("everyone who is let in can: {}\n", self.question);
        }
        if self.roles.is_empty() {
            return format!("nobody can: {}\n", self.question);
        }
        let by = |able: &Able| {
            let by = match (&able.term, able.operations.as_slice()) {
                (None, _) => able.rule.clone(),
                (Some(term), operations) => {
                    format!("{}, {term}, with {}", able.rule, operations.join(", "))
                }
            };
            let warned = if able.warned { ", in warn mode" } else { "" };
            let only = able.only.as_ref().map(|only| format!(", only {only}"));
            by + warned + &only.unwrap_or_default()
        };
        let rows: Vec<_> = self
            .identities
            .iter()
            .map(|able| [able.identity.clone().unwrap_or_default(), able.role.clone(), by(able)])
            .collect();
        let who = match rows.is_empty() {
            true => "no identity can\n".to_owned(),
            false => table(["IDENTITY", "BY ROLE", "BY"], &rows),
        };
        let rows: Vec<_> = self.roles.iter().map(|able| [able.role.clone(), by(able)]).collect();
        format!("{who}\n{}", table(["ROLE", "BY"], &rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn roles() -> std::sync::Arc<Roles> {
        let context = Context {
            config_file: "/etc/seawall/seawall.toml".into(),
            state_dir: "/var/lib/seawall".into(),
            json: false,
        };
        let text = "[roles.shop]\noperations = [\"ContainerCreate\", \"ImageCreate\"]\n\
            images = [\"registry.example.com/shop/*\"]\nbinds = [\"/srv/shop/static:ro\", \"/srv/shop/data:rw\"]\n\
            ports = [\"8000-8999\"]\n\
            [roles.idle]\nbinds = [\"/srv/shop/data:rw\"]\n";
        config::interpret(text, &context, &Overrides::default()).unwrap().roles
    }

    fn ask(words: &[&str]) -> Answer {
        let holders = [("alice", "admin"), ("bob", "shop"), ("carol", "viewer"), ("dave", "gone")]
            .map(|(name, role)| Holder { name: name.to_owned(), roles: vec![role.to_owned()] });
        Answer::to(words.join(" "), &Question::parse(words).unwrap(), &roles(), &holders)
    }

    #[test]
    fn the_answer_names_who_by_which_role_rule_and_term() {
        insta::assert_snapshot!(ask(&["bind", "/srv/shop/data/db:rw"]).to_text(), @r#"
        IDENTITY  BY ROLE  BY
        alice     admin    admin.all
        bob       shop     shop.operations, binds = ["/srv/shop/data:rw"], with ContainerCreate

        ROLE   BY
        shop   shop.operations, binds = ["/srv/shop/data:rw"], with ContainerCreate
        admin  admin.all
        "#);
        insta::assert_snapshot!(ask(&["pull"]).to_text(), @"
        IDENTITY  BY ROLE  BY
        alice     admin    admin.all
        bob       shop     shop.operations

        ROLE       BY
        developer  developer.operations
        deployer   deployer.operations
        shop       shop.operations
        admin      admin.all
        ");
    }

    #[test]
    fn nobody_but_admin_becomes_root() {
        for words in [&["become-root"][..], &["run-privileged"], &["bind", "/etc"]] {
            let answer = ask(words);
            let identities: Vec<_> = answer.identities.iter().map(|able| &able.identity).collect();
            assert_eq!(identities, [&Some("alice".to_owned())], "{words:?}");
            let roles: Vec<_> = answer.roles.iter().map(|able| able.role.as_str()).collect();
            assert_eq!(roles, ["admin"], "{words:?}");
        }
    }

    #[test]
    fn what_everyone_may_and_what_nobody_may_is_said_so() {
        assert_eq!(ask(&["SystemPing"]).to_text(), "everyone who is let in can: SystemPing\n");
        assert_eq!(ask(&["Debug"]).to_text(), "nobody can: Debug\n");
    }
}
