//! Requests that are described and not sent, judged as the gate would judge them.

use std::sync::Arc;

use seawall_rules::command_line::{Described, NotUnderstood};
use seawall_rules::identity::Name;
use seawall_rules::policy::{Circumstances, Missing, Permissions, Roles, Smallest, judge_if_own};
use seawall_rules::target::ApiVersion;
use seawall_rules::verdict::Verdict;
use serde::Serialize;

use super::holders;
use crate::cli::Context;
use crate::cli::report::Error;

/// Who asks.
pub(super) struct Asker {
    name: Option<String>,
    roles: Vec<String>,
    permissions: Permissions,
    asleep: Vec<String>,
}

/// A described request and what the roles say to it. Whose the thing is that it names is not
/// judged: nothing is asked of the engine.
#[derive(Serialize)]
pub(super) struct Judged {
    request: String,
    /// When a command sends it, where it may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<&'static str>,
    operation: Option<&'static str>,
    asks: Vec<String>,
    pub(super) allowed: bool,
    pub(super) rule: String,
    pub(super) reason: Option<String>,
    /// The rules that would refuse it, were it not for a role in warn mode.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    would_deny: Vec<&'static str>,
    /// What it lacks; none where it is the request itself that is refused.
    #[serde(skip)]
    missing: Option<Missing>,
}

/// What an asker may do of what is asked about.
#[derive(Serialize)]
pub(super) struct Answer {
    identity: Option<String>,
    roles: Vec<String>,
    /// Those of the roles that are not in force, and when they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    asleep: Vec<String>,
    /// Whether all passes that is sent in any case.
    pub(super) allowed: bool,
    pub(super) requests: Vec<Judged>,
    /// The keys of a role that would let it pass, each as TOML.
    grant: Vec<String>,
    /// What no role can be given, and why.
    only_admin: Vec<String>,
}

/// The complaint about words.
pub(super) fn not_understood(no: NotUnderstood) -> Error {
    Error::usage(no.message).hint(no.hint)
}

impl Asker {
    /// An identity by its name, or nobody in particular who has these roles.
    ///
    /// # Errors
    /// There is no such identity or role.
    pub(super) fn of(
        context: &Context,
        all: &Arc<Roles>,
        identity: Option<&Name>,
        roles: &[String],
        circumstances: &Circumstances,
    ) -> Result<Self, Error> {
        let holders = match identity {
            Some(_) => holders::identities(context)?,
            None => Vec::new(),
        };
        Self::among(&holders, all, identity.map(Name::as_str), roles, circumstances)
    }

    /// As [`Self::of`], among these.
    pub(super) fn among(
        holders: &[holders::Holder],
        all: &Arc<Roles>,
        identity: Option<&str>,
        roles: &[String],
        circumstances: &Circumstances,
    ) -> Result<Self, Error> {
        let held = match identity {
            None => roles.to_vec(),
            Some(name) => {
                let found = holders.iter().find(|holder| holder.name == name);
                let known = || {
                    Error::usage(format!("there is no identity `{}`", name.escape_debug()))
                        .hint("`seawall identity list` lists them")
                };
                found.ok_or_else(known)?.roles.clone()
            }
        };
        if let Some(role) = roles.iter().find(|role| all.named(role).is_none()) {
            return Err(Error::usage(format!("there is no role `{}`", role.escape_debug()))
                .hint(format!("the roles are {all}")));
        }
        let names = || held.iter().map(String::as_str);
        let permissions = Permissions::compile_under(all, names(), circumstances);
        let asleep = names().filter_map(|name| all.named(name)).filter_map(|role| {
            let only = role.conditions().filter(|_| !role.is_in_force(circumstances))?;
            Some(format!("{} is in force only {only}", role.name()))
        });
        let asleep = asleep.collect();
        Ok(Self { name: identity.map(str::to_owned), roles: held, permissions, asleep })
    }

    /// What the roles say to these requests.
    pub(super) fn asks(&self, described: &[Described], floor: ApiVersion) -> Answer {
        let requests: Vec<_> =
            described.iter().map(|one| Judged::of(one, &self.permissions, floor)).collect();
        let mut smallest = Smallest::default();
        let mut extends: Vec<String> = Vec::new();
        for missing in requests.iter().filter_map(|judged| judged.missing.as_ref()) {
            missing.operation.into_iter().for_each(|operation| smallest.operation(operation));
            missing.asks.iter().for_each(|ask| smallest.ask(ask));
            missing.unknown.iter().for_each(|name| smallest.unknown(name));
            // One role must grant all of a request: also what the nearest one does already.
            let nearest = missing.nearest.as_ref().map(|role| format!("{:?}", role.name()));
            extends.extend(nearest.filter(|name| !extends.contains(name)));
        }
        let mut grant: Vec<String> = smallest.lines().collect();
        if !grant.is_empty() && !extends.is_empty() {
            grant.insert(0, format!("extends = [{}]", extends.join(", ")));
        }
        Answer {
            identity: self.name.clone(),
            roles: self.roles.clone(),
            asleep: self.asleep.clone(),
            allowed: requests.iter().all(|judged| judged.allowed || judged.only.is_some()),
            requests,
            grant,
            only_admin: smallest
                .impossible()
                .map(|(what, why, _)| format!("{what}: {why}"))
                .collect(),
        }
    }
}

impl Judged {
    fn of(described: &Described, permissions: &Permissions, floor: ApiVersion) -> Self {
        let mut judged = Self {
            request: format!("{} {}", described.method, described.target),
            only: described.only,
            operation: None,
            asks: Vec::new(),
            allowed: false,
            rule: String::new(),
            reason: None,
            would_deny: Vec::new(),
            missing: None,
        };
        let request = match described.read(floor) {
            Ok(request) => request,
            Err(refusal) => {
                judged.rule = refusal.rule.to_owned();
                judged.reason = Some(refusal.reason);
                return judged;
            }
        };
        judged.operation = Some(request.route.operation.as_str());
        judged.asks = request.facts.asks.iter().map(|fact| fact.ask.notation()).collect();
        let missing = permissions.missing(&request);
        match judge_if_own(permissions, request) {
            Verdict::Allow(grant) => {
                judged.allowed = true;
                judged.rule = grant.rule().to_owned();
                judged.would_deny = grant.would_deny().to_vec();
            }
            Verdict::Deny(denied) => {
                judged.rule = denied.1.rule.to_owned();
                judged.reason = Some(denied.1.reason);
                judged.missing = Some(missing);
            }
        }
        judged
    }
}

impl Answer {
    pub(super) fn to_text(&self) -> String {
        let roles = match self.roles.as_slice() {
            [] => "without a role".to_owned(),
            roles => roles.join(", "),
        };
        let who = self.identity.as_ref().map_or(roles.clone(), |name| format!("{name} ({roles})"));
        let can = if self.allowed { "may" } else { "may not" };
        let mut text = format!("{who} {can}:\n");
        for judged in &self.requests {
            let decided = if judged.allowed { "allowed" } else { "refused" };
            let only = judged.only.map(|only| format!(", {only}")).unwrap_or_default();
            text += &format!("  {decided}  {}{only}, by rule {}\n", judged.request, judged.rule);
            if let Some(reason) = &judged.reason {
                text += &format!("           {reason}\n");
            }
            if !judged.would_deny.is_empty() {
                let rules = judged.would_deny.join(", ");
                text += &format!("           in warn mode: would be refused by {rules}\n");
            }
        }
        text.extend(self.asleep.iter().map(|role| format!("{role}\n")));
        if !self.grant.is_empty() {
            let but = if self.only_admin.is_empty() { "" } else { " the rest of" };
            text += &format!("a role with this would grant{but} it:\n");
            text.extend(self.grant.iter().map(|line| format!("  {line}\n")));
        }
        if !self.only_admin.is_empty() {
            text += "no role can be given this:\n";
            text.extend(self.only_admin.iter().map(|line| format!("  {line}\n")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_rules::command_line;

    fn ask(roles: &[&str], words: &str) -> Answer {
        let roles: Vec<_> = roles.iter().map(|role| (*role).to_owned()).collect();
        let anywhere = Circumstances { from: None, at: 0 };
        let asker = Asker::among(&[], &Roles::built_in(), None, &roles, &anywhere).unwrap();
        let words = command_line::split(words).unwrap();
        asker.asks(&command_line::read(&words).unwrap(), ApiVersion::new(1, 40))
    }

    #[test]
    fn what_would_be_refused_is_explained_down_to_what_would_grant_it() {
        let answer = ask(&["viewer"], "create -v /:/host -v /srv/a:/a:ro -p 80:80 alpine");
        insta::assert_snapshot!(answer.to_text(), @r#"
        viewer may not:
          refused  POST /containers/create, by rule role.operations
                   may not create a container (ContainerCreate): role viewer does not grant it; developer, deployer or admin would
          refused  POST /images/create?fromImage=alpine&tag=latest, if the image is not there, by rule role.operations
                   may not pull or import an image (ImageCreate): role viewer does not grant it; developer, deployer or admin would
        a role with this would grant the rest of it:
          extends = ["viewer"]
          operations = ["ContainerCreate", "ImageCreate"]
          images = ["docker.io/library/alpine:latest"]
          binds = ["/srv/a:ro"]
          ports = ["*:80"]
        no role can be given this:
          bind /:rw: `/:rw` would give the host away
        "#);
        assert!(!answer.allowed);
    }

    #[test]
    fn what_would_pass_names_its_rules() {
        let answer = ask(&["admin"], "run -d --privileged alpine");
        assert!(answer.allowed);
        assert!(answer.grant.is_empty() && answer.only_admin.is_empty());
        insta::assert_snapshot!(answer.to_text(), @"
        admin may:
          allowed  POST /containers/create, by rule admin.all
          allowed  POST /images/create?fromImage=alpine&tag=latest, if the image is not there, by rule admin.all
          allowed  POST /containers/new/start, by rule admin.all
        ");
    }
}
