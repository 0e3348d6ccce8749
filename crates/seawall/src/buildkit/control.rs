//! The connection that `/grpc` becomes: the client calls, and the engine answers. What is to be
//! built is judged and recorded as the `ImageBuild` that it comes down to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use bytes::Bytes;
use h2::client::SendRequest;
use seawall_rules::buildkit::{BUILD, MAX_MESSAGE, Message, Solve, ToEngine};
use seawall_rules::operation::Operation;
use seawall_rules::verdict::Refusal;
use tokio::sync::watch;

use super::builds::Built;
use super::call::Call;
use super::refusing::Refusing;
use crate::audit::{Decision, Ending, Outcome, RequestId, Subject};
use crate::authenticate::Ended;
use crate::gate::Gate;
use crate::own::{Asking, Errand, Kin};
use crate::session;
use crate::sessions::Session;

/// BuildKit for a role.
#[derive(Debug)]
pub struct Control<'a> {
    gate: &'a Gate,
    session: &'a Session,
    subject: Subject,
    id: u64,
    /// Of the last request that was recorded.
    number: AtomicU32,
    /// The name of the build that was refused last, and how: who asks about it beside having it
    /// built is told the same.
    refused: watch::Sender<(String, Refused)>,
    pub(super) refusing: Refusing<'a>,
}

/// What a call is told that is not to go on.
#[derive(Clone, Debug, Default)]
struct Refused {
    status: u16,
    message: String,
}

/// A call that may go on: what it asks, and what lasts as long as it does.
#[derive(Default)]
struct Going<'a> {
    asks: Option<Vec<u8>>,
    recorded: Option<Recorded<'a>>,
    _built: Option<Built<'a>>,
}

impl<'a> Control<'a> {
    /// The connection that a request opens.
    pub fn new(
        gate: &'a Gate,
        session: &'a Session,
        subject: &Subject,
        request: RequestId,
    ) -> Self {
        Self {
            gate,
            session,
            subject: subject.clone(),
            id: request.session,
            number: AtomicU32::new(request.number),
            refused: watch::Sender::default(),
            refusing: Refusing::new(gate, subject, request),
        }
    }

    pub(super) async fn call(&self, mut call: Call, engine: SendRequest<Bytes>) {
        match self.judge(&mut call).await {
            Ok(mut going) => {
                let asks = going.asks.take();
                call.carry(engine, asks, None, |refusal| self.refusing.say(refusal)).await;
                if let Some(recorded) = going.recorded {
                    recorded.done().await;
                }
            }
            Err(refused) => call.refuse(refused.status, &refused.message),
        }
    }

    async fn judge(&self, call: &mut Call) -> Result<Going<'a>, Refused> {
        let refused = |refusal: Refusal| Refused {
            status: refusal.status,
            message: self.refusing.say(&refusal),
        };
        let kind = ToEngine::of(call.method()).map_err(refused)?;
        let build = match kind {
            ToEngine::OfBuild | ToEngine::SolveOfBuild => {
                let name = call.metadata(BUILD).unwrap_or_default();
                Some(self.under_way(name).await?)
            }
            ToEngine::Free | ToEngine::Solve | ToEngine::Status => None,
        };
        let body = match kind {
            ToEngine::Free | ToEngine::OfBuild => return Ok(Going::default()),
            ToEngine::Solve | ToEngine::SolveOfBuild | ToEngine::Status => {
                call.whole(MAX_MESSAGE).await.map_err(refused)?
            }
        };
        let message = Message::read(kind, &body).map_err(refused)?;
        match message {
            Some(Message::Solve(mut solve)) => {
                let session = solve.session.clone();
                let recorded = self.build(&mut solve, &session).await;
                let recorded = recorded.inspect_err(|refused| {
                    self.refused.send_replace((solve.name.clone(), refused.clone()));
                })?;
                let begun = self.gate.builds.begin(&solve.name, &solve.session, &self.subject);
                let built = begun.map_err(refused)?;
                let asks = Some(Message::Solve(solve).framed());
                Ok(Going { asks, recorded: Some(recorded), _built: Some(built) })
            }
            Some(Message::SolveOfBuild(mut solve)) => {
                let session = build.unwrap_or_default();
                let recorded = self.build(&mut solve, &session).await?;
                let asks = Some(Message::SolveOfBuild(solve).framed());
                Ok(Going { asks, recorded: Some(recorded), _built: None })
            }
            Some(Message::Status(name)) => {
                self.under_way(&name).await?;
                let asks = Some(Message::Status(name).framed());
                Ok(Going { asks, ..Going::default() })
            }
            None => Ok(Going::default()),
        }
    }

    /// The session of a build that is under way, and its sender's own.
    async fn under_way(&self, name: &str) -> Result<String, Refused> {
        let mut refused = self.refused.subscribe();
        tokio::select! {
            biased;
            built = self.gate.builds.built(name, &self.subject) => built.map_err(|refusal| Refused {
                status: refusal.status,
                message: self.refusing.say(&refusal),
            }),
            Ok(refused) = refused.wait_for(|(build, _)| build == name) => Err(refused.1.clone()),
        }
    }

    /// Judges and records a build as the request that it comes down to, and gives it the labels
    /// that this one has got.
    async fn build(&self, solve: &mut Solve, session: &str) -> Result<Recorded<'a>, Refused> {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let id = RequestId { session: self.id, number };
        let snapshot = self.gate.snapshot.load_full();
        let authority = match snapshot.authorize(&self.session.credential, &self.session.peer) {
            Ok(authority) => authority,
            Err(Ended(why)) => return Err(Refused { status: 403, message: why }),
        };
        let mut asking = Asking::default();
        let request = solve.as_request(session);
        let (target, asks) = match &request {
            Ok(request) => {
                let asks = request.facts.asks.iter().map(|fact| fact.ask.notation()).collect();
                (request.recorded_target(), asks)
            }
            Err(_) => ("/build".to_owned(), Vec::new()),
        };
        let judged = async {
            let to = (&mut asking, &*snapshot.engine);
            let (grant, errand) = session::decide(self.gate, &authority, request?, to).await?;
            if let Some((session, asks)) = grant.build() {
                self.gate.builds.join(session, &authority.subject, asks).await?;
            }
            Ok((grant, errand))
        };
        let judged = judged.await;
        let refused = judged.as_ref().err();
        let recorded = self.gate.trail.decision(&Decision {
            id,
            subject: &authority.subject,
            peer: self.session.peer.address,
            balancer: self.session.peer.balancer,
            method: "POST",
            target: &target,
            operation: Some(Operation::ImageBuild.as_str()),
            user_agent: "",
            would_deny: judged.as_ref().map_or(&[], |(grant, _)| grant.would_deny()),
            refused: refused.map(|refusal: &Refusal| refusal.reason.as_str()),
            rule: judged.as_ref().map_or_else(|refusal| refusal.rule, |(grant, _)| grant.rule()),
            unknown: &[],
            asks: Some(&asks),
            generation: snapshot.generation,
        });
        let began = Instant::now();
        let mut outcome = Recorded { gate: self.gate, id, status: 403, began, errand: None };
        if let Err(error) = recorded {
            tracing::error!(%error, request = %id, "build not forwarded");
            return Err(Refused { status: 503, message: session::UNRECORDED.to_owned() });
        }
        let told = |refusal: Refusal| Refused {
            status: refusal.status,
            message: session::denial(&authority.subject, &refusal, id),
        };
        let metrics = &self.gate.metrics;
        match &judged {
            Ok((grant, _)) => {
                metrics.allowed(Operation::ImageBuild);
                metrics.would_deny(grant.would_deny());
            }
            Err(_) => metrics.denied(Some(Operation::ImageBuild)),
        }
        let (grant, mut errand) = judged.map_err(told)?;
        let to = (&mut asking, &*snapshot.engine);
        errand.run(&self.gate.owners, &authority.kin, to).await.map_err(told)?;
        solve.label_as(grant.request()).map_err(told)?;
        outcome.errand = Some((errand, authority.kin.clone()));
        outcome.status = 200;
        Ok(outcome)
    }
}

/// A build that was recorded. Dropping it records its outcome.
#[derive(Debug)]
struct Recorded<'a> {
    gate: &'a Gate,
    id: RequestId,
    status: u16,
    began: Instant,
    /// What is left to do of it, and for whom.
    errand: Option<(Errand, Arc<Kin>)>,
}

impl Recorded<'_> {
    /// The build has ended. Whether it went well its answer tells the client alone, so the engine is
    /// asked for what came of it.
    async fn done(mut self) {
        let Some((errand, kin)) = self.errand.take() else { return };
        let snapshot = self.gate.snapshot.load_full();
        let to = (&mut Asking::default(), &*snapshot.engine);
        errand.done(&self.gate.owners, &kin, to, self.status).await;
    }
}

impl Drop for Recorded<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.gate.trail.outcome(&Outcome {
            id: self.id,
            status: self.status,
            ending: Ending::Complete,
            // Counted with the connection.
            received: 0,
            sent: 0,
            took,
        });
    }
}
