//! `seawall policy diff`.

use std::path::PathBuf;
use std::sync::Arc;

use seawall_rules::policy::{Beyond, Role, Roles, beyond};
use serde::Serialize;

use super::holders::{self, Holder};
use crate::cli::report::{self, Error};
use crate::cli::{self, Context};
use crate::config;

/// Show every permission that another configuration adds or takes
///
/// FILE is a configuration, or a file of roles alone, which stands for the file of its name in
/// `roles.d`. What is compared is what the roles grant, not how they are written: the answer is
/// empty exactly if no request would be decided otherwise. Exits 3 when something differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  seawall policy diff ./seawall.toml\n  \
    seawall policy diff ./roles.d/shop.toml --json")]
pub(super) struct Args {
    /// The candidate
    file: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    let now = config::load_for_command(context)?;
    let then = config::load_candidate(context, &cli::absolute(args.file)?)?;
    let identities = holders::identities(context)?;
    let mut pairs: Vec<_> =
        identities.into_iter().map(|holder| (Some(holder.clone()), Some(holder))).collect();
    pairs.push((holders::strangers(&now), holders::strangers(&then)));
    let differences = Differences::between(&now.roles, &then.roles, &pairs);
    if args.json {
        report::print_json(&differences)?;
    } else {
        report::print(differences.to_text())?;
    }
    match differences.is_empty() {
        true => Ok(()),
        false => Err(Error::found("the candidate changes who may do what")),
    }
}

/// What a candidate changes.
#[derive(Serialize)]
struct Differences {
    roles: Vec<Difference>,
    identities: Vec<Difference>,
}

/// What it changes of one role, or for one identity.
#[derive(Serialize)]
struct Difference {
    name: String,
    /// Whether the role is not there before, or not afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    added: Permissions,
    taken: Permissions,
}

#[derive(Serialize)]
struct Permissions {
    operations: Vec<&'static str>,
    terms: Vec<String>,
}

impl Differences {
    fn between(now: &Roles, then: &Roles, holders: &[(Option<Holder>, Option<Holder>)]) -> Self {
        let mut names: Vec<&str> = now.all().map(|role| role.name()).collect();
        names.extend(then.all().map(|role| role.name()).filter(|name| now.named(name).is_none()));
        let one = |roles: &Roles, name: &str| -> Vec<Arc<Role>> {
            roles.named(name).cloned().into_iter().collect()
        };
        let roles = names.iter().filter_map(|name| {
            let (before, after) = (one(now, name), one(then, name));
            let presence = match (before.is_empty(), after.is_empty()) {
                (true, false) => Some("new"),
                (false, true) => Some("gone"),
                _ => None,
            };
            Difference::of(name, presence, &before, &after)
        });
        let identities = holders.iter().filter_map(|(before, after)| {
            let name = &before.as_ref().or(after.as_ref())?.name;
            let of = |holder: &Option<Holder>, roles| {
                holder.as_ref().map_or_else(Vec::new, |holder| holder.of(roles))
            };
            Difference::of(name, None, &of(before, now), &of(after, then))
        });
        Self { roles: roles.collect(), identities: identities.collect() }
    }

    fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.identities.is_empty()
    }

    fn to_text(&self) -> String {
        if self.is_empty() {
            return "nothing changes\n".to_owned();
        }
        let of = |kind: &str, all: &[Difference]| -> String {
            all.iter().map(|difference| format!("{kind} {}", difference.to_text())).collect()
        };
        of("role", &self.roles) + &of("identity", &self.identities)
    }
}

impl Difference {
    fn of(
        name: &str,
        role: Option<&'static str>,
        before: &[Arc<Role>],
        after: &[Arc<Role>],
    ) -> Option<Self> {
        let (added, taken) = (beyond(after, before), beyond(before, after));
        if added.is_empty() && taken.is_empty() && role.is_none() {
            return None;
        }
        let (added, taken) = (added.into(), taken.into());
        Some(Self { name: name.to_owned(), role, added, taken })
    }

    fn to_text(&self) -> String {
        let presence = self.role.map(|is| format!(" ({is})")).unwrap_or_default();
        let mut text = format!("{}{presence}\n", self.name);
        for (sign, permissions) in [('+', &self.added), ('-', &self.taken)] {
            for operation in &permissions.operations {
                text += &format!("  {sign} {operation}\n");
            }
            for term in &permissions.terms {
                text += &format!("  {sign} {term}\n");
            }
        }
        text
    }
}

impl From<Beyond> for Permissions {
    fn from(beyond: Beyond) -> Self {
        let operations = beyond.operations.iter().map(|operation| operation.as_str()).collect();
        Self { operations, terms: beyond.terms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn roles(text: &str) -> Arc<Roles> {
        let context = Context {
            config_file: "/etc/seawall/seawall.toml".into(),
            state_dir: "/var/lib/seawall".into(),
            json: false,
        };
        config::interpret(text, &context, &Overrides::default()).unwrap().roles
    }

    fn differences(now: &str, then: &str) -> Differences {
        let holder = |name: &str, roles: &[&str]| {
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            let holder = Some(Holder { name: name.to_owned(), roles });
            (holder.clone(), holder)
        };
        let holders = [holder("alice", &["admin"]), holder("bob", &["shop", "operator"])];
        Differences::between(&roles(now), &roles(then), &holders)
    }

    #[test]
    fn what_is_added_and_taken_is_told_by_role_and_by_identity() {
        let now = "[roles.shop]\noperations = [\"ContainerCreate\", \"ContainerUpdate\"]\n\
            images = [\"shop/*\"]\nmemory = \"1GiB\"\nports = [\"8000-8999\"]\n\
            [roles.old]\noperations = [\"SystemInfo\"]\n";
        let then = "[roles.shop]\noperations = [\"ContainerCreate\", \"ContainerStart\", \"ImageTag\"]\n\
            images = [\"shop/*\", \"alpine:3.*\"]\nmemory = \"2GiB\"\nports = [\"8000-8010\"]\n\
            binds = [\"/srv/shop/*:ro\"]\n";
        insta::assert_snapshot!(differences(now, then).to_text(), @r#"
        role shop
          + ContainerStart
          + ImageTag
          + binds = ["/srv/shop/*:ro"]
          + images = ["docker.io/library/alpine:3.*"]
          + memory = 2147483648
          - ContainerUpdate
          - ports = ["*:8000-8999"]
        role old (gone)
          - SystemInfo
        identity bob
          + ImageTag
          + binds = ["/srv/shop/*:ro"]
          + images = ["docker.io/library/alpine:3.*"]
          + memory = 2147483648
          - ContainerUpdate
          - ports = ["*:8000-8999"]
        "#);
    }

    #[test]
    fn the_same_written_otherwise_is_no_difference() {
        let now = "[roles.shop]\noperations = [\"ContainerCreate\"]\nimages = [\"shop/*\"]\n\
            networks = [\"abc\", \"shop-*\"]\nports = [\"8000-8999\"]\nbinds = [\"/srv/a/*:ro\"]\n";
        let then = "[roles.shop]\noperations = [\"ContainerCreate\"]\n\
            images = [\"docker.io/shop/*\", \"shop/web\", \"shop/web:1\"]\nnetworks = [\"shop-*\", \"shop-a*\", \"abc\"]\n\
            ports = [\"8000-8999\", \"127.0.0.1:8000\"]\nbinds = [\"/srv/a/*:ro\", \"/srv/a/b/*:ro\"]\n\
            volumes = [\"a\"]\n";
        // The one thing that is new.
        let text = differences(now, then).to_text();
        assert_eq!(text.matches("+ ").count(), 2, "{text}");
        assert!(text.contains("+ volumes = [\"a\"]"), "{text}");
        assert!(differences(now, now).is_empty());
    }
}
