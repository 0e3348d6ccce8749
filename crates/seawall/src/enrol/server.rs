//! The gate's side: one small request a connection, answered by a [`Desk`] and nothing else. No
//! way leads from here to the engine.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use seawall_rules::identity::Name;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};

use super::attempts::Attempts;
use super::invitation::Secret;
use super::wire::{self, Code, Grant, Refusal, renewable_from, unix_seconds};
use crate::audit::CannotRecord;
use crate::pki::{self, Facts, PublicKey};

/// What enrolment may ask of the gate: exactly this.
pub trait Desk: Send + Sync {
    /// Spends the invitation whose secret has this hash, in one transaction, on a certificate
    /// for `key`. The same invitation with the same key gets the same certificate again until
    /// the invitation expires. When it returns, the gate knows the certificate.
    ///
    /// # Errors
    /// [`Refused`].
    fn join(
        &self,
        secret_hash: &[u8; 32],
        key: &PublicKey,
        now: SystemTime,
    ) -> Result<Issued, Refused>;

    /// Issues another certificate for `key` to whom `present` was issued. What was revoked,
    /// certificate or identity, gets none.
    ///
    /// # Errors
    /// [`Refused`].
    fn renew(&self, present: &Facts, key: &PublicKey, now: SystemTime) -> Result<Issued, Refused>;

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

/// A certificate that was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: pki::Issued,
    /// To whom.
    pub identity: Name,
    /// Every CA the gate's own certificate may come from now or soon, PEM.
    pub ca: String,
}

/// Why nothing was issued. The record has it as it is; a stranger learns less.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too many failed attempts.
    #[error("too many failed attempts; try again in a minute")]
    Busy,
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
    /// The HTTP request is not one of ours.
    #[error("{0}")]
    Request(&'static str),
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
pub struct Enrolment {
    desk: Arc<dyn Desk>,
    attempts: Attempts,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enrolment").finish_non_exhaustive()
    }
}

impl Enrolment {
    /// A door that asks `desk`.
    pub fn new(desk: Arc<dyn Desk>) -> Self {
        Self { desk, attempts: Attempts::default() }
    }

    /// Serves one connection that chose enrolment by ALPN: one request, one answer, bounded in
    /// size and time. `present` is the client certificate the handshake has verified.
    pub async fn serve<S>(
        self: &Arc<Self>,
        stream: S,
        peer: SocketAddr,
        present: Option<CertificateDer<'static>>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let present = present.map(Arc::new);
        let service = hyper::service::service_fn(|request| {
            let (door, present) = (self.clone(), present.clone());
            async move { Ok::<_, Infallible>(door.answer(request, peer, present).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(TIME)
            .keep_alive(false)
            .max_buf_size(wire::MAX_BODY)
            .serve_connection(TokioIo::new(stream), service);
        // However it ends, whoever asked has been answered or is gone.
        let _ = tokio::time::timeout(TIME, connection).await;
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
        present: Option<Arc<CertificateDer<'static>>>,
    ) -> Response<Full<Bytes>> {
        let decided = match Asked::read(request).await {
            Ok(asked) => {
                let door = self.clone();
                // The store writes to the disk.
                let decide = move || {
                    let certificate = present.as_ref().map(|present| present.as_ref());
                    door.decide(asked, peer, certificate, SystemTime::now())
                };
                tokio::task::spawn_blocking(decide)
                    .await
                    .unwrap_or_else(|error| Err(Refused::Unavailable(error.to_string())))
            }
            Err(refused) => Err(refused),
        };
        match decided {
            Ok(grant) => reply(StatusCode::OK, &grant),
            Err(refused) => {
                self.record_refusal(&refused, peer);
                let (status, refusal) = refused.shown();
                reply(status, &refusal)
            }
        }
    }

    fn decide(
        &self,
        asked: Asked,
        peer: SocketAddr,
        present: Option<&CertificateDer<'_>>,
        now: SystemTime,
    ) -> Result<Grant, Refused> {
        // A failure costs an attempt, a success does not: taken first and given back, so that
        // many at once cannot all pass while none has failed yet.
        if !self.attempts.take(peer.ip()) {
            return Err(Refused::Busy);
        }
        let (what, issued) = match asked {
            Asked::Join(join) => {
                let key = PublicKey::from_request(&join.csr)?;
                let secret = Secret::parse(&join.secret).ok_or(Refused::InvitationUnknown)?;
                ("enrol.join", self.desk.join(&secret.hash(), &key, now)?)
            }
            Asked::Renew(renew) => {
                let present = present.ok_or(Refused::CertificateUnknown)?;
                let present = Facts::from_der(present)?;
                let from = renewable_from(present.not_before, present.not_after);
                if now >= present.not_after {
                    return Err(Refused::CertificateExpired);
                }
                if now < from {
                    return Err(Refused::TooEarly { from });
                }
                let key = PublicKey::from_request(&renew.csr)?;
                ("enrol.renew", self.desk.renew(&present, &key, now)?)
            }
        };
        let Issued { certificate, identity, ca } = issued;
        let detail = json!({
            "identity": identity.as_str(),
            "serial": data_encoding::HEXLOWER.encode(&certificate.facts.serial),
            "peer": peer.to_string(),
        });
        // Unrecorded, it is not handed out; the client may try again.
        self.desk.record(what, detail).map_err(|error| Refused::Unavailable(error.to_string()))?;
        self.attempts.give_back(peer.ip());
        Ok(Grant {
            not_after: unix_seconds(certificate.facts.not_after),
            certificate: certificate.pem,
            ca,
            identity,
        })
    }

    fn record_refusal(&self, refused: &Refused, peer: SocketAddr) {
        match refused {
            // Whoever has no secret of ours is counted like every other stranger, so that
            // guessing cannot fill the record.
            Refused::Busy
            | Refused::InvitationUnknown
            | Refused::Key(_)
            | Refused::Request(_)
            | Refused::CertificateUnknown => {
                self.desk.count_stranger(peer.ip());
            }
            known => {
                let detail = json!({ "reason": known.to_string(), "peer": peer.to_string() });
                if let Err(error) = self.desk.record("enrol.refused", detail) {
                    tracing::error!(%peer, reason = %known, %error, "enrolment refused");
                }
            }
        }
    }
}

const TIME: Duration = Duration::from_secs(15);

enum Asked {
    Join(wire::Join),
    Renew(wire::Renew),
}

impl Asked {
    async fn read(request: Request<Incoming>) -> Result<Self, Refused> {
        let path = request.uri().path().to_owned();
        if !["/join", "/renew"].contains(&path.as_str()) {
            return Err(Refused::Request("only `/join` and `/renew` are here"));
        }
        if request.method() != Method::POST {
            return Err(Refused::Request("only `POST` is taken here"));
        }
        let body = Limited::new(request.into_body(), wire::MAX_BODY).collect().await;
        let body = body.map_err(|_| Refused::Request("the body is too long or incomplete"))?;
        let body = body.to_bytes();
        let malformed = |_| Refused::Request("the body is not the JSON that is taken here");
        if path == "/join" {
            serde_json::from_slice(&body).map(Self::Join).map_err(malformed)
        } else {
            serde_json::from_slice(&body).map(Self::Renew).map_err(malformed)
        }
    }
}

impl Refused {
    fn shown(&self) -> (StatusCode, Refusal) {
        let (status, code) = match self {
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, Code::Busy),
            Self::CertificateExpired | Self::CertificateRevoked | Self::CertificateUnknown => {
                (StatusCode::FORBIDDEN, Code::Certificate)
            }
            Self::Clock => (StatusCode::SERVICE_UNAVAILABLE, Code::Clock),
            Self::InvitationExpired
            | Self::InvitationRevoked
            | Self::InvitationUnknown
            | Self::InvitationUsed => (StatusCode::FORBIDDEN, Code::Invitation),
            Self::Key(_) | Self::Request(_) => (StatusCode::BAD_REQUEST, Code::Request),
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
