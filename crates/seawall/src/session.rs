//! The way of a request, top to bottom, for one authenticated connection:
//! read head -> canonicalize -> recognize -> read body -> judge -> record -> forward -> record.

mod account;
mod answer;
mod paths;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use seawall_rules::head::{Framing, RequestHead};
use seawall_rules::operation::{self, Operation, Request};
use seawall_rules::policy;
use seawall_rules::target;
use seawall_rules::verdict::{Grant, Refusal, Verdict};

use crate::audit::{Decision, RequestId};
use crate::authenticate::{Authority, Ended};
use crate::buildkit;
use crate::engine::Engine;
use crate::forward::{After, Link, Sender, forward};
use crate::gate::{Gate, NOT_GRANTED_ANY_MORE, NOT_ITS_OWN_ANY_MORE, Snapshot};
use crate::http::alarm::Alarm;
use crate::http::body::{self, Body};
use crate::http::hang_up::Socket;
use crate::http::read::{Bounds, NoHead, request_head};
use crate::http::wire::Wire;
use crate::http::write::Connection;
use crate::metrics::Limit;
use crate::own::{self, Asking, Errand};
use crate::quota::{Stream, Used};
use crate::sessions::{Doing, Session};
use account::{Account, Seen};
use answer::{Answer, answer, linger};

pub use account::Tally;
pub use answer::{UNRECORDED, denial};

/// Serves one authenticated client connection until it ends. `stream` is the client's side:
/// TLS over TCP or a Unix socket; reading 0 bytes is the client's half-close, `shutdown` ours.
pub async fn serve<S>(gate: &Gate, session: &Arc<Session>, stream: S)
where
    S: Socket + Send,
{
    // The losing branch is dropped with all that is under way in it, and its account recorded.
    tokio::select! {
        biased;
        () = requests(gate, session, Wire::new(stream)) => {}
        () = session.cut.cancelled() => {}
        () = expiry(session) => session.end(EXPIRED),
    }
}

async fn requests<S>(gate: &Gate, session: &Session, mut client: Wire<S>)
where
    S: Socket + Send,
{
    let mut drain = pin!(gate.draining.cancelled());
    let mut link = Link::default();
    let mut asking = Asking::default();
    let mut alarm = Alarm::default();
    let mut generation = None;
    let mut used = None;
    let mut last: Option<Arc<Authority>> = None;
    for number in 1.. {
        let bounds = Bounds::of(&gate.snapshot.load().config.limits);
        let head = match request_head(&mut client, &mut alarm, bounds, drain.as_mut()).await {
            Err(NoHead::Over) => return,
            Err(NoHead::Idle) => return gate.metrics.limit_hit(Limit::Idle),
            Err(NoHead::Refused(refusal)) => Err(refusal),
            Ok(head) => Ok(head),
        };
        let mut account = Account::open(gate, session, number);
        let snapshot = gate.snapshot.load_full();
        if generation.is_some_and(|seen| seen != snapshot.generation) {
            // The engine may be another one now.
            link = Link::default();
            asking = Asking::default();
        }
        let authority = authority(session, &snapshot, &mut generation);
        if let Ok(now) = &authority
            && !last.as_ref().is_some_and(|last| Arc::ptr_eq(last, now))
        {
            let bounded = !now.permissions.quota().is_unlimited();
            used = bounded.then(|| gate.quotas.of(&now.subject));
            last = Some(now.clone());
        }
        let turn = Turn {
            gate,
            session,
            snapshot: &snapshot,
            used: used.as_ref(),
            client: &mut client,
            asking: &mut asking,
        };
        let after = turn.take(&mut account, authority, head, &mut link).await;
        drop(account);
        match after {
            After::Next => {}
            After::Close => return linger(gate, &mut client).await,
            After::Drop => return,
        }
    }
}

/// What the session's credential opens under this snapshot, and at this moment.
fn authority(
    session: &Session,
    snapshot: &Snapshot,
    generation: &mut Option<u64>,
) -> Result<Arc<Authority>, Ended> {
    if *generation != Some(snapshot.generation) {
        session.set_authority(snapshot.authorize(&session.credential, &session.peer)?);
        *generation = Some(snapshot.generation);
    }
    let mut authority = session.authority();
    if authority.until.is_some_and(|end| end <= SystemTime::now()) {
        session.set_authority(snapshot.authorize(&session.credential, &session.peer)?);
        authority = session.authority();
    }
    match authority.not_after {
        Some(end) if end <= SystemTime::now() => Err(Ended(EXPIRED.to_owned())),
        _ => Ok(authority),
    }
}

/// One request and what it is judged and carried with.
struct Turn<'a, S> {
    gate: &'a Gate,
    session: &'a Session,
    snapshot: &'a Snapshot,
    /// What its identity uses already, where its roles bound that.
    used: Option<&'a Arc<Used>>,
    client: &'a mut Wire<S>,
    /// For the gate's own questions.
    asking: &'a mut Asking,
}

impl<'a, S: Socket> Turn<'a, S> {
    /// Judges the request, records the decision, and only then forwards or refuses it.
    async fn take(
        mut self,
        account: &mut Account<'_>,
        authority: Result<Arc<Authority>, Ended>,
        head: Result<RequestHead, Refusal>,
        link: &mut Link,
    ) -> After {
        let mut seen = Seen::of(&head, self.client.input.data());
        let mut reply = Answer::to(&head);
        if authority.is_err() || self.gate.draining.is_cancelled() {
            reply.connection = Connection::Close;
        }
        let mut body = Body::new(head.as_ref().map_or(Framing::None, |head| head.framing));
        let judged = match (head, &authority) {
            (Ok(head), Ok(authority)) => self.judge(head, authority, &mut body, &mut seen).await,
            (Ok(_), Err(Ended(why))) => Err(Refusal::forbidden("identity.ended", why.as_str())),
            (Err(refusal), _) => Err(refusal),
        };
        let authority = authority.unwrap_or_else(|_| self.session.authority());
        let judged = match judged {
            Ok((grant, errand)) => self
                .begin(&authority, &grant, account.id)
                .await
                .map(|(counted, build)| (counted, build, grant, errand)),
            Err(refusal) => Err(refusal),
        };
        let subject = &authority.subject;
        let recorded = self.gate.trail.decision(&Decision {
            id: account.id,
            subject,
            peer: self.session.peer.address,
            balancer: self.session.peer.balancer,
            method: &seen.method,
            target: &seen.target,
            operation: seen.operation.map(Operation::as_str),
            user_agent: &seen.user_agent,
            would_deny: judged.as_ref().map_or(&[], |(_, _, grant, _)| grant.would_deny()),
            refused: judged.as_ref().err().map(|refusal| refusal.reason.as_str()),
            rule: judged
                .as_ref()
                .map_or_else(|refusal| refusal.rule, |(_, _, grant, _)| grant.rule()),
            unknown: &seen.unknown,
            asks: seen.asks.as_deref(),
            generation: self.snapshot.generation,
        });
        if let Ok((_, _, grant, _)) = &judged {
            self.gate.metrics.would_deny(grant.would_deny());
        }
        account.decided(seen.operation, judged.as_ref().err().map(|refusal| refusal.rule));
        let (_counted, build, grant, mut errand) = match (recorded, judged) {
            (Ok(()), Ok(granted)) => granted,
            (Ok(()), Err(refusal)) => {
                let reply = reply.denying(subject, &refusal, account.id);
                return answer(self.client, &mut body, account, reply).await;
            }
            (Err(error), _) => {
                tracing::error!(%error, request = %account.id, "request not forwarded");
                let reply = reply.with(503, answer::UNRECORDED.to_owned());
                return answer(self.client, &mut body, account, reply).await;
            }
        };
        self.session.set_doing(Some(Doing {
            operation: grant.request().route.operation,
            target: seen.target,
            since: SystemTime::now(),
            things: grant.request().scoped().map_or_else(Vec::new, |own| own.things.clone()),
            shown_to: grant.is_narrowed().then(|| authority.kin.clone()),
        }));
        // A change that came between the judgment and the line above has not seen it.
        if let Some(why) = self.overtaken(&authority, &grant) {
            self.session.end(&why);
            return After::Drop;
        }
        let (owners, kin) = (&self.gate.owners, &authority.kin);
        let to = (&mut *self.asking, &*self.snapshot.engine);
        if let Err(refusal) = errand.run(owners, kin, to).await {
            let reply = reply.denying(subject, &refusal, account.id);
            return answer(self.client, &mut body, account, reply).await;
        }
        let to = (&mut *self.asking, &*self.snapshot.engine);
        if let Some(done) = errand.answer(owners, kin, to).await {
            let reply = match done {
                Ok(body) => reply.telling(body),
                Err(refusal) => reply.denying(subject, &refusal, account.id),
            };
            return answer(self.client, &mut body, account, reply).await;
        }
        let client = Sender {
            wire: self.client,
            body: &mut body,
            connection: reply.connection,
            patience: self.snapshot.config.limits.idle,
            tally: &mut account.tally,
        };
        let forwarded = forward(&grant, &self.snapshot.engine, link, client, build.as_ref()).await;
        let refused = account.tally.refused.take();
        if let Some(refusal) = &refused {
            record_refused(self.gate, account.id, refusal);
        }
        let mut would_deny = std::mem::take(&mut account.tally.would_deny);
        would_deny.retain(|rule| !grant.would_deny().contains(rule));
        record_would_deny(self.gate, account.id, &would_deny);
        match forwarded {
            Ok((ending, after)) => {
                account.ended(ending);
                let to = (&mut *self.asking, &*self.snapshot.engine);
                errand.done(owners, kin, to, account.tally.status).await;
                after
            }
            Err(failure) => {
                if let Some(limit) = failure.limit {
                    self.gate.metrics.limit_hit(limit);
                }
                account.ended(failure.ending);
                let reply = match refused {
                    Some(refusal) => reply.denying(subject, &refusal, account.id),
                    None => reply.with(failure.status, format!("seawall: {}", failure.message)),
                };
                answer(self.client, &mut body, account, reply).await
            }
        }
    }

    /// Counts a stream until it ends.
    fn stream(&self, authority: &Authority, grant: &Grant) -> Result<Option<Stream>, Refusal> {
        match self.used.filter(|_| grant.request().route.is_stream()) {
            Some(used) => used.stream(authority.permissions.quota()),
            None => Ok(None),
        }
    }

    /// What a granted request holds until it ends: its place among the streams, and the connection
    /// of BuildKit that it opens. A build takes what it builds from one of those.
    async fn begin(
        &self,
        authority: &Authority,
        grant: &Grant,
        id: RequestId,
    ) -> Result<(Option<Stream>, Option<buildkit::Connection<'a>>), Refusal> {
        let (counted, subject) = (self.stream(authority, grant)?, &authority.subject);
        if let Some((session, asks)) = grant.build() {
            self.gate.builds.join(session, subject, asks).await?;
        }
        let build = match grant.session() {
            Some(undecided) => {
                let name = grant.request().head.forwarded("X-Docker-Expose-Session-Uuid");
                let name = name.unwrap_or_default();
                let session = buildkit::Session::open(self.gate, name, subject, undecided, id)?;
                Some(buildkit::Connection::Session(session))
            }
            None if grant.leads_to_buildkit() => {
                let control = buildkit::Control::new(self.gate, self.session, subject, id);
                Some(buildkit::Connection::Control(control))
            }
            None => None,
        };
        Ok((counted, build))
    }

    /// Why a snapshot newer than that of the judgment no longer lets this request through.
    fn overtaken(&self, authority: &Authority, grant: &Grant) -> Option<String> {
        let newest = self.gate.snapshot.load();
        if newest.generation == self.snapshot.generation {
            return None;
        }
        match newest.authorize(&self.session.credential, &self.session.peer) {
            Ok(now) if grant.is_narrowed() && now.kin != authority.kin => {
                Some(NOT_ITS_OWN_ANY_MORE.to_owned())
            }
            Ok(now)
                if grant
                    .request()
                    .scoped()
                    .is_some_and(|own| !self.gate.owners.still_have(&own.things, &now.kin)) =>
            {
                Some(NOT_ITS_OWN_ANY_MORE.to_owned())
            }
            Ok(now) => match policy::judge(&now.permissions, grant.request().clone()) {
                Verdict::Allow(now) if now.hides_more_than(grant) => {
                    Some(NOT_GRANTED_ANY_MORE.to_owned())
                }
                Verdict::Allow(_) => None,
                Verdict::Deny(_) => Some(NOT_GRANTED_ANY_MORE.to_owned()),
            },
            Err(Ended(why)) => Some(why),
        }
    }

    /// From a strict head to a verdict. The body of a JSON operation is read on the way.
    async fn judge(
        &mut self,
        head: RequestHead,
        authority: &Authority,
        body: &mut Body,
        seen: &mut Seen,
    ) -> Result<(Grant, Errand), Refusal> {
        let target = target::parse(&head.target)?;
        let floor = self.snapshot.config.min_api;
        let mut request =
            operation::recognize(head, target, floor).map_err(|(_, refusal)| refusal)?;
        seen.request(&request);
        let operation = request.route.operation;
        let ping = policy::PINGS.contains(&operation);
        if let Some(how) = authority.ungranted.as_ref().filter(|_| !ping) {
            return Err(Refusal::forbidden("identity.ungranted", how.as_str()));
        }
        if let Some(used) = self.used.filter(|_| !ping) {
            used.request(authority.permissions.quota(), Instant::now())?;
        }
        let limits = &self.snapshot.config.limits;
        // What no role grants is refused without a look at its body.
        if authority.permissions.rule(operation).is_some() {
            if let Some(document) = body::judged(self.client, &request, body, limits).await? {
                request = request.with_body(document)?;
                seen.unknown.extend_from_slice(&request.facts.unknown);
            }
            request = self.attached(authority, request).await?;
            seen.asks(&request);
            seen.labels(authority.permissions.recorded_labels(&request).as_ref());
        }
        if let (Some(session), false) =
            (request.build_session(), authority.permissions.is_unrestricted())
        {
            // The docker command line opens it beside, and waits for it for ever if its build is
            // refused before.
            self.gate.builds.opened(session).await;
        }
        let to = (&mut *self.asking, &*self.snapshot.engine);
        let (grant, errand) = decide(self.gate, authority, request, to).await?;
        Ok((self.followed(authority, grant).await?, errand))
    }

    /// A request with the names of the networks that it puts a service on, which are given by ids.
    /// `admin` may use any.
    async fn attached(
        &mut self,
        authority: &Authority,
        request: Request,
    ) -> Result<Request, Refusal> {
        let targets = request.attachments();
        if targets.is_empty() || authority.permissions.is_unrestricted() {
            return Ok(request);
        }
        let to = (&mut *self.asking, &*self.snapshot.engine);
        Ok(request.attached(&own::of_the_swarm(targets, to).await?))
    }

    /// What is granted as it is written is judged again by where the paths lead that it binds:
    /// nobody is told where one leads that no role of his names.
    async fn followed(&self, authority: &Authority, grant: Grant) -> Result<Grant, Refusal> {
        let binds = grant.request().binds();
        let free = authority.permissions.is_unrestricted() || !self.snapshot.engine.is_here();
        if free || binds.is_empty() {
            return Ok(grant);
        }
        let to = paths::followed(binds).await?;
        granted(authority, grant.into_request().rebound(&to))
    }
}

/// Records what of a request's body or session was refused, after the decision to let the request
/// pass.
pub fn record_refused(gate: &Gate, request: RequestId, refusal: &Refusal) {
    let (request, rule) = (request.to_string(), refusal.rule);
    let detail = serde_json::json!({
        "request": request, "rule": rule, "reason": refusal.reason,
    });
    if let Err(error) = gate.trail.event("content.refused", detail) {
        tracing::error!(%error, request, rule, "refused, without a record");
    }
}

/// Records by which rules what came in a request's body or session would have been refused, were it
/// not for a role in warn mode.
pub fn record_would_deny(gate: &Gate, request: RequestId, rules: &[&'static str]) {
    if rules.is_empty() {
        return;
    }
    gate.metrics.would_deny(rules);
    let request = request.to_string();
    let detail = serde_json::json!({ "request": request, "rules": rules });
    if let Err(error) = gate.trail.event("content.would_deny", detail) {
        tracing::error!(%error, request, "let through in warn mode, without a record");
    }
}

/// From a complete request to a verdict. Where only roles for one's own things are left, it is
/// looked up first whose the things are that it names.
///
/// # Errors
/// A [`Refusal`]: what no role grants, or what is not its sender's own.
pub async fn decide(
    gate: &Gate,
    authority: &Authority,
    request: Request,
    to: (&mut Asking, &Engine),
) -> Result<(Grant, Errand), Refusal> {
    let operation = request.route.operation;
    let request = match authority.permissions.grants_own_alone(operation) {
        true => request,
        false => match policy::judge(&authority.permissions, request) {
            Verdict::Allow(grant) => return Ok((grant, Errand::default())),
            Verdict::Deny(denied) if authority.permissions.may_if_own(operation) => denied.0,
            Verdict::Deny(denied) => return Err(denied.1),
        },
    };
    let (request, errand) =
        own::resolve(request, &authority.permissions, &gate.owners, &authority.kin, to).await?;
    Ok((granted(authority, request)?, errand))
}

fn granted(authority: &Authority, request: Request) -> Result<Grant, Refusal> {
    match policy::judge(&authority.permissions, request) {
        Verdict::Allow(grant) => Ok(grant),
        Verdict::Deny(denied) => Err(denied.1),
    }
}

/// Completes when the session's credential expires.
async fn expiry(session: &Session) {
    let Some(end) = session.authority().not_after else { return std::future::pending().await };
    let left = end.duration_since(SystemTime::now()).unwrap_or_default();
    tokio::time::sleep(left).await;
}

const EXPIRED: &str = "its credential has expired";

#[cfg(test)]
mod tests;
