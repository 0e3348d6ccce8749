//! The connection that `/session` becomes: the engine calls, and the client answers.

use std::time::SystemTime;

use bytes::Bytes;
use h2::client::SendRequest;
use seawall_rules::buildkit::{Answer, in_session};
use seawall_rules::policy::Undecided;
use seawall_rules::verdict::Refusal;

use super::builds::Opened;
use super::call::Call;
use super::refusing::Refusing;
use crate::audit::{RequestId, Subject};
use crate::gate::Gate;

/// A build session of a role, from the decision to its end.
#[derive(Debug)]
pub struct Session<'a> {
    opened: Opened<'a>,
    pub(super) refusing: Refusing<'a>,
}

impl<'a> Session<'a> {
    /// Opens the session that a request asks for; `id` is what its client calls it.
    ///
    /// # Errors
    /// A [`Refusal`] for an id that cannot be used.
    pub fn open(
        gate: &'a Gate,
        id: &str,
        subject: &Subject,
        undecided: &Undecided,
        request: RequestId,
    ) -> Result<Self, Refusal> {
        let opened = gate.builds.open(id, subject, undecided.clone())?;
        Ok(Self { opened, refusing: Refusing::new(gate, subject, request) })
    }

    pub(super) async fn call(&self, call: Call, client: SendRequest<Bytes>) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let folder = call.metadata("dir-name");
        let say = |refusal: &Refusal| self.refusing.say(refusal);
        match in_session(call.method(), folder, &self.opened.undecided(), now) {
            Ok(mut answer) => {
                call.carry(client, None, answer.as_mut(), say).await;
                let would_deny = answer.as_ref().map_or(&[][..], Answer::would_deny);
                self.refusing.would_deny(would_deny);
            }
            Err(refusal) => call.refuse(refusal.status, &say(&refusal)),
        }
    }
}
