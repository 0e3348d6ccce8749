//! The gate's side: one small request a connection, answered by a [`Desk`] and nothing else. No
//! way leads from here to the engine.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use seawall_rules::identity::Name;
use seawall_rules::ssh::key::{Kind, PublicKey as PublicSshKey};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};

use super::attempts::Attempts;
use super::invitation::Secret;
use super::wire::{self, Code, Grant, Refusal, SshDoor, renewable_from, unix_seconds};
use crate::audit::CannotRecord;
use crate::authenticate::Credential;
use crate::config::EnrolmentLimits;
use crate::metrics::Limit;
use crate::pki::{self, EARLY, PublicKey};
use crate::state::notation::{hex, ssh_fingerprint};
use crate::state::{
    self, Authority, Certificate, Credentials, Identity, InvitationRefused, Registered, Standing,
    Store,
};

/// What enrolment may touch of the gate: exactly this.
pub trait Desk: Send + Sync + 'static {
    /// The bounds in force now.
    fn limits(&self) -> EnrolmentLimits;

    /// Counts a bound that was hit.
    fn limit_hit(&self, limit: Limit);

    /// Identities, invitations and certificates.
    fn store(&self) -> MutexGuard<'_, Store>;

    /// The gate's own SSH server, where there is one.
    fn ssh(&self) -> Option<SshDoor>;

    /// Puts in force for every connection what the store holds now.
    ///
    /// # Errors
    /// Why it could not; the client is told to come again.
    fn publish(&self) -> Result<(), String>;

    /// Puts what happened into the audit trail.
    ///
    /// # Errors
    /// [`CannotRecord`]; nothing is handed out then.
    fn record(&self, what: &'static str, detail: serde_json::Value) -> Result<(), CannotRecord>;

    /// Counts a stranger's attempt ([`RefusedConnection::Invitation`]).
    ///
    /// [`RefusedConnection::Invitation`]: crate::audit::RefusedConnection::Invitation
    fn count_stranger(&self, address: IpAddr);
}

/// Why nothing was issued. The record has it as it is; a stranger learns less.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too many failed attempts, by this limit.
    #[error("too many failed attempts; try again in a minute")]
    Busy(Limit),
    /// The certificate has expired.
    #[error("the certificate has expired")]
    CertificateExpired,
    /// The certificate or its identity is revoked.
    #[error("the certificate is revoked")]
    CertificateRevoked,
    /// The gate never issued it, or none was presented.
    #[error("a renewal takes a certificate that this gate issued")]
    CertificateUnknown,
    /// The clock is more than five minutes behind the latest time seen.
    #[error("the gate's clock is behind; nothing is issued until it is right")]
    Clock,
    /// The invitation was tried as often as it may be.
    #[error("the invitation was tried too often")]
    InvitationExhausted,
    /// The invitation's time is over.
    #[error("the invitation has expired")]
    InvitationExpired,
    /// The invitation or its identity is revoked.
    #[error("the invitation is revoked")]
    InvitationRevoked,
    /// There is no such invitation.
    #[error("there is no such invitation")]
    InvitationUnknown,
    /// The invitation was used with another key.
    #[error("the invitation was used before, with another key")]
    InvitationUsed,
    /// The certificate request is not acceptable.
    #[error("the certificate request: {0}")]
    Key(#[from] pki::Error),
    /// The identity may not come from there.
    #[error("the identity may not come from this address")]
    Network,
    /// An old certificate stays good for renewals until its end; whoever holds one must not
    /// fill the store.
    #[error("the identity was given {0} certificates within the hour; try again later")]
    RenewedTooOften(usize),
    /// The HTTP request is not one of ours.
    #[error("{0}")]
    Request(&'static str),
    /// The body is longer than a request for a certificate.
    #[error("the body is too long")]
    TooLong,
    /// The SSH key is not acceptable.
    #[error("the SSH key: {0}")]
    SshKey(String),
    /// The SSH key is another identity's, or was revoked as compromised.
    #[error("the SSH key is another identity's, or was revoked")]
    SshKeyTaken,
    /// Less than two thirds of the lifetime have passed.
    #[error("the certificate is renewed from two thirds of its lifetime on")]
    TooEarly {
        /// When they have.
        from: SystemTime,
    },
    /// The store or the record fails; the text is for the log.
    #[error("the gate cannot decide now: {0}")]
    Unavailable(String),
}

/// The enrolment door of a gate; one for all connections, since it counts failures.
#[derive(Debug, Default)]
pub struct Enrolment {
    attempts: Arc<Attempts>,
}

impl Enrolment {
    /// Serves one connection that chose enrolment by ALPN: one request, one answer, bounded in
    /// size and time. `present` is what the client proved in the handshake, if it did.
    pub async fn serve<S, D>(
        &self,
        desk: &Arc<D>,
        stream: S,
        peer: SocketAddr,
        present: Option<Credential>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        D: Desk,
    {
        let limits = desk.limits();
        let visit = Arc::new(Visit {
            desk: desk.clone(),
            attempts: self.attempts.clone(),
            limits,
            peer,
            present,
        });
        let service = hyper::service::service_fn(|request| {
            let visit = visit.clone();
            async move { Ok::<_, Infallible>(visit.answer(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .header_read_timeout(None)
            .keep_alive(false)
            .max_buf_size(limits.bytes)
            .serve_connection(TokioIo::new(stream), service);
        // Otherwise, whoever asked has been answered or is gone.
        match tokio::time::timeout(limits.time, connection).await {
            Err(_) => desk.limit_hit(Limit::Enrolment),
            Ok(Err(error)) if error.is_parse_too_large() => desk.limit_hit(Limit::EnrolmentBytes),
            Ok(_) => {}
        }
    }
}

/// One connection.
struct Visit<D> {
    desk: Arc<D>,
    attempts: Arc<Attempts>,
    limits: EnrolmentLimits,
    peer: SocketAddr,
    present: Option<Credential>,
}

impl<D: Desk> Visit<D> {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let decided = match Asked::read(request, self.limits.bytes).await {
            Ok(asked) => {
                let visit = self.clone();
                // The store writes to the disk.
                tokio::task::spawn_blocking(move || visit.decide(asked, SystemTime::now()))
                    .await
                    .unwrap_or_else(|error| Err(Refused::Unavailable(error.to_string())))
            }
            Err(refused) => Err(refused),
        };
        match decided {
            Ok(grant) => reply(StatusCode::OK, &grant),
            Err(refused) => {
                if let Some(limit) = refused.limit() {
                    self.desk.limit_hit(limit);
                }
                self.record_refusal(&refused);
                let (status, refusal) = refused.shown();
                reply(status, &refusal)
            }
        }
    }

    fn decide(&self, asked: Asked, now: SystemTime) -> Result<Grant, Refused> {
        let source = self.peer.ip();
        // A failure costs an attempt, a success does not: taken first and given back, so that
        // many at once cannot all pass while none has failed yet.
        self.attempts.take(source, &self.limits).map_err(Refused::Busy)?;
        let mut ssh = None;
        let mut fingerprint = None;
        let (what, (identity, credentials)) = match asked {
            Asked::Join(join) => {
                let key = join.ssh_key.as_deref().map(ssh_key).transpose()?;
                if let Some((key, _)) = &key {
                    ssh = self.desk.ssh();
                    if ssh.is_none() {
                        return Err(Refused::Request("this gate has no `ssh://` listener"));
                    }
                    fingerprint = Some(ssh_fingerprint(&pki::sha256(key.blob())));
                }
                ("enrol.join", self.join(&join, key, now)?)
            }
            Asked::Renew(renew) => ("enrol.renew", self.renew(&renew, now)?),
        };
        let Credentials { certificate, ca, issued } = credentials;
        let detail = json!({
            "identity": identity.as_str(),
            "serial": hex(&issued.serial),
            "peer": self.peer.to_string(),
            "ssh_key": fingerprint,
        });
        // Unrecorded or not in force, it is not handed out; the client may try again.
        let unavailable = |error: CannotRecord| Refused::Unavailable(error.to_string());
        self.desk.record(what, detail).map_err(unavailable)?;
        self.desk.publish().map_err(Refused::Unavailable)?;
        self.attempts.give_back(source);
        let not_after = unix_seconds(issued.not_after);
        Ok(Grant { certificate, ca, identity, not_after, ssh })
    }

    fn join(
        &self,
        join: &wire::Join,
        ssh_key: Option<(PublicSshKey, String)>,
        now: SystemTime,
    ) -> Result<(Name, Credentials), Refused> {
        let key = PublicKey::from_request(&join.csr)?;
        let secret = Secret::parse(&join.secret).ok_or(Refused::InvitationUnknown)?;
        let mut store = self.desk.store();
        let attempts = self.limits.invitation_attempts;
        let id = store.use_invitation(&secret.hash(), &key.spki(), attempts, now)?;
        let identity = store.identity_by_id(&id)?.ok_or(Refused::InvitationRevoked)?;
        self.admit(&identity)?;
        if let Some((key, comment)) = ssh_key
            && let Registered::Refused(..) = store.add_ssh_key(&id, &key, &comment, now)?
        {
            return Err(Refused::SshKeyTaken);
        }
        Ok((identity.name, store.issue(&id, &key, None, now)?))
    }

    fn renew(&self, renew: &wire::Renew, now: SystemTime) -> Result<(Name, Credentials), Refused> {
        let Some(Credential::Certificate { serial, fingerprint, .. }) = &self.present else {
            return Err(Refused::CertificateUnknown);
        };
        let key = PublicKey::from_request(&renew.csr)?;
        let mut store = self.desk.store();
        let (identity, held) = store
            .certificate(serial)?
            .filter(|(_, held)| held.fingerprint == *fingerprint)
            .ok_or(Refused::CertificateUnknown)?;
        // The handshake has looked at these as well, but that is a moment ago.
        if identity.revoked.is_some() || held.revoked.is_some() {
            return Err(Refused::CertificateRevoked);
        }
        if now >= held.not_after {
            return Err(Refused::CertificateExpired);
        }
        // While the CA is being rotated, its certificates are renewed at any time.
        let retiring =
            |ca: &Authority| ca.fingerprint == held.ca && ca.standing == Standing::Retiring;
        let from = renewable_from(held.not_before, held.not_after);
        if now < from && !store.authorities()?.iter().any(retiring) {
            return Err(Refused::TooEarly { from });
        }
        self.admit(&identity)?;
        // A certificate says that it began EARLY before it was made.
        let recent = |held: &&Certificate| held.not_before + EARLY + HOUR > now;
        let most = self.limits.certificates_per_hour;
        if identity.certificates.iter().filter(recent).count() >= most {
            return Err(Refused::RenewedTooOften(most));
        }
        Ok((identity.name, store.issue(&identity.id, &key, Some(serial), now)?))
    }

    fn admit(&self, identity: &Identity) -> Result<(), Refused> {
        match identity.networks().admits(self.peer.ip()) {
            true => Ok(()),
            false => Err(Refused::Network),
        }
    }

    fn record_refusal(&self, refused: &Refused) {
        let peer = self.peer;
        match refused {
            // Whoever has no secret of ours is counted like every other stranger, so that
            // guessing cannot fill the record.
            Refused::Busy(_)
            | Refused::InvitationUnknown
            | Refused::Key(_)
            | Refused::Request(_)
            | Refused::SshKey(_)
            | Refused::TooLong
            | Refused::CertificateUnknown => self.desk.count_stranger(peer.ip()),
            known => {
                let mut detail = json!({ "reason": known.to_string(), "peer": peer.to_string() });
                if let Some(Credential::Certificate { serial, .. }) = &self.present {
                    detail["serial"] = hex(serial).into();
                }
                if let Err(error) = self.desk.record("enrol.refused", detail) {
                    tracing::error!(%peer, reason = %known, %error, "enrolment refused");
                }
            }
        }
    }
}

/// RSA keys are for whoever runs the gate to let in.
fn ssh_key(line: &str) -> Result<(PublicSshKey, String), Refused> {
    let (key, comment) =
        PublicSshKey::from_line(line).map_err(|error| Refused::SshKey(error.to_string()))?;
    match key.kind() {
        Kind::Rsa => Err(Refused::SshKey("RSA keys are registered on the gate's host".to_owned())),
        _ => Ok((key, comment.to_owned())),
    }
}

const HOUR: Duration = Duration::from_secs(3600);

enum Asked {
    Join(wire::Join),
    Renew(wire::Renew),
}

impl Asked {
    async fn read(request: Request<Incoming>, most: usize) -> Result<Self, Refused> {
        let path = request.uri().path().to_owned();
        if !["/join", "/renew"].contains(&path.as_str()) {
            return Err(Refused::Request("only `/join` and `/renew` are here"));
        }
        if request.method() != Method::POST {
            return Err(Refused::Request("only `POST` is taken here"));
        }
        let body = Limited::new(request.into_body(), most).collect().await;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => Refused::TooLong,
            false => Refused::Request("the body is incomplete"),
        })?;
        let body = body.to_bytes();
        let malformed = |_| Refused::Request("the body is not the JSON that is taken here");
        if path == "/join" {
            serde_json::from_slice(&body).map(Self::Join).map_err(malformed)
        } else {
            serde_json::from_slice(&body).map(Self::Renew).map_err(malformed)
        }
    }
}

impl From<InvitationRefused> for Refused {
    fn from(refused: InvitationRefused) -> Self {
        match refused {
            InvitationRefused::Expired => Self::InvitationExpired,
            InvitationRefused::Revoked => Self::InvitationRevoked,
            InvitationRefused::State(error) => error.into(),
            InvitationRefused::TooManyAttempts => Self::InvitationExhausted,
            InvitationRefused::Unknown => Self::InvitationUnknown,
            InvitationRefused::Used => Self::InvitationUsed,
        }
    }
}

impl From<state::Error> for Refused {
    fn from(error: state::Error) -> Self {
        match error {
            state::Error::ClockBehind(_) => Self::Clock,
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl Refused {
    /// The limit that was hit, if it was one.
    fn limit(&self) -> Option<Limit> {
        match self {
            Self::Busy(limit) => Some(*limit),
            Self::InvitationExhausted => Some(Limit::InvitationAttempts),
            Self::RenewedTooOften(_) => Some(Limit::CertificatesPerHour),
            Self::TooLong => Some(Limit::EnrolmentBytes),
            _ => None,
        }
    }

    fn shown(&self) -> (StatusCode, Refusal) {
        let (status, code) = match self {
            Self::Busy(_) | Self::RenewedTooOften(_) => (StatusCode::TOO_MANY_REQUESTS, Code::Busy),
            Self::CertificateExpired | Self::CertificateRevoked | Self::CertificateUnknown => {
                (StatusCode::FORBIDDEN, Code::Certificate)
            }
            Self::Clock => (StatusCode::SERVICE_UNAVAILABLE, Code::Clock),
            Self::InvitationExhausted
            | Self::InvitationExpired
            | Self::InvitationRevoked
            | Self::InvitationUnknown
            | Self::InvitationUsed => (StatusCode::FORBIDDEN, Code::Invitation),
            Self::Network => (StatusCode::FORBIDDEN, Code::Network),
            Self::Key(_)
            | Self::Request(_)
            | Self::SshKey(_)
            | Self::SshKeyTaken
            | Self::TooLong => (StatusCode::BAD_REQUEST, Code::Request),
            Self::TooEarly { .. } => (StatusCode::CONFLICT, Code::TooEarly),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
        };
        let message = match code {
            Code::Invitation => {
                "the invitation is not valid: mistyped, used, expired or revoked".to_owned()
            }
            Code::Unavailable => "the gate cannot decide now".to_owned(),
            _ => self.to_string(),
        };
        let from = match self {
            Self::TooEarly { from } => Some(unix_seconds(*from)),
            _ => None,
        };
        (status, Refusal { code, message, from })
    }
}

fn reply(status: StatusCode, body: &impl serde::Serialize) -> Response<Full<Bytes>> {
    // INVARIANT: the two answers are structs of texts and numbers, which serialize.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
