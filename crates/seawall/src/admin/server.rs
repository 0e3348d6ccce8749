//! The gate's side of the admin socket.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use seawall_rules::network::Source;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use super::{Answer, Call, status};
use crate::cli::report::{Doing, Error};
use crate::config;
use crate::gate::Gate;
use crate::metrics::Limit;
use crate::own;
use crate::state::call::StateCall;

/// Larger than any CSR or list of networks, small enough to hold.
const MAX_CALL_BYTES: usize = 256 * 1024;

/// For a request of the metrics and its answer.
const METRICS_TIME: Duration = Duration::from_secs(10);

/// The admin socket, and the listener for metrics where one is configured.
#[derive(Debug)]
pub struct Admin {
    socket: UnixListener,
    path: PathBuf,
    metrics: Option<TcpListener>,
}

/// Binds the admin socket. The caller holds the state's lock, so a socket that is there already
/// was left behind by a crash.
///
/// # Errors
/// What could not be bound, and why.
pub fn bind(config: &config::Admin) -> Result<Admin, Error> {
    let path = &config.socket;
    let shown = path.display();
    if let Ok(there) = std::fs::symlink_metadata(path) {
        if !there.file_type().is_socket() || there.uid() != nix::unistd::geteuid().as_raw() {
            return Err(Error::failed(format!("{shown} is there, and is no socket of ours"))
                .hint("set `admin.socket` to a path that nothing else uses"));
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(Error::failed(format!("something answers on the admin socket {shown}"))
                .hint("is another gate running with the same `admin.socket`?"));
        }
        std::fs::remove_file(path).doing(|| format!("remove the stale socket {shown}"))?;
    }
    if let Some(folder) = path.parent() {
        // Whoever may write there could put a gate of his own in our place.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)
            .doing(|| format!("create {}", folder.display()))?;
    }
    let socket = UnixListener::bind(path).doing(|| format!("listen on {shown}"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .doing(|| format!("set the mode of {shown}"))?;
    let metrics = config
        .metrics
        .map(|address| {
            let bound = std::net::TcpListener::bind(address).and_then(|listener| {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)
            });
            bound.doing(|| format!("listen on {address} for metrics"))
        })
        .transpose()?;
    Ok(Admin { socket, path: path.clone(), metrics })
}

/// Answers until `stop`.
pub async fn serve(gate: Arc<Gate>, admin: Admin, stop: CancellationToken) {
    let accept_metrics = async || match &admin.metrics {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    };
    // Held by each connection for metrics.
    let places = Arc::new(());
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = admin.socket.accept() => {
                let Ok((stream, _)) = accepted else { breathe().await; continue };
                // The socket's mode keeps others out already; a second look costs nothing.
                let ours = |uid| uid == 0 || uid == nix::unistd::geteuid().as_raw();
                if stream.peer_cred().is_ok_and(|peer| ours(peer.uid())) {
                    tokio::spawn(connection(gate.clone(), stream, Offers::Everything));
                }
            }
            accepted = accept_metrics() => {
                let Ok((stream, _)): std::io::Result<(_, SocketAddr)> = accepted else {
                    breathe().await;
                    continue;
                };
                let most = gate.snapshot.load().config.limits.metrics_connections;
                if Arc::strong_count(&places) > most {
                    gate.metrics.limit_hit(Limit::MetricsConnections);
                    continue;
                }
                let (gate, place) = (gate.clone(), places.clone());
                tokio::spawn(async move {
                    // Whoever does not take the page in time was not told, and is not waited for.
                    let answered = connection(gate, stream, Offers::MetricsOnly);
                    let _ = tokio::time::timeout(METRICS_TIME, answered).await;
                    drop(place);
                });
            }
        }
    }
    drop(std::fs::remove_file(&admin.path));
}

/// Out of file descriptors, most likely: trying again at once would take a whole core.
async fn breathe() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offers {
    Everything,
    MetricsOnly,
}

async fn connection<S>(gate: Arc<Gate>, stream: S, offers: Offers)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let gate = gate.clone();
        async move { Ok::<_, Infallible>(respond(gate, request, offers).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10))
        .keep_alive(offers == Offers::Everything)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "admin connection ended");
    }
}

async fn respond(
    gate: Arc<Gate>,
    request: Request<Incoming>,
    offers: Offers,
) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => {
            reply(StatusCode::OK, "text/plain; version=0.0.4", gate.metrics.render(&gate))
        }
        (&Method::POST, "/call") if offers == Offers::Everything => {
            let body = Limited::new(request.into_body(), MAX_CALL_BYTES).collect().await;
            let answer = match body {
                Ok(body) => match serde_json::from_slice(&body.to_bytes()) {
                    Ok(call) => answer(&gate, call).await,
                    Err(error) => Err(Error::failed(format!(
                        "not a call this gate knows: {error}"
                    ))
                    .hint("command and gate may be of different versions: restart the gate")),
                },
                Err(error) => Err(Error::failed(format!("cannot read the call: {error}"))),
            };
            let (status, body) = match answer {
                Ok(answer) => (StatusCode::OK, json!(answer)),
                Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, json!(error)),
            };
            reply(status, "application/json", body.to_string())
        }
        _ => reply(StatusCode::NOT_FOUND, "text/plain", "nothing here\n".to_owned()),
    }
}

fn reply(status: StatusCode, media_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(media_type));
    response
}

async fn answer(gate: &Arc<Gate>, call: Call) -> Result<Answer, Error> {
    match call {
        Call::State(mut call) => {
            if let StateCall::SetOwner { kind, id, .. } = &mut *call {
                let engine = gate.snapshot.load().engine.clone();
                *id = own::full_id(&engine, (*kind).into(), id)
                    .await
                    .map_err(|refusal| Error::failed(refusal.reason))?;
            }
            let gate = gate.clone();
            // SQLite and fsync must not hold up a worker that carries streams.
            tokio::task::spawn_blocking(move || gate.change(*call))
                .await
                .map_err(|error| Error::failed(format!("the call failed: {error}")))?
                .map(|reply| Answer::State(Box::new(reply)))
        }
        Call::Reload => gate.reload().map(Answer::Reloaded),
        Call::Status => Ok(Answer::Status(Box::new(status::status(gate).await?))),
        Call::Network => Ok(Answer::Network(Box::new(status::network(gate)))),
        Call::Unban { address } => unban(gate, address).map(Answer::Unbanned),
        Call::Sessions => Ok(Answer::Sessions(status::sessions(gate))),
        Call::KillSession { id } => kill(gate, &id),
    }
}

fn unban(gate: &Gate, address: Option<IpAddr>) -> Result<Vec<String>, Error> {
    let wanted = address.map(Source::of);
    let banned = gate.admission.bans().into_iter().map(|ban| ban.source);
    let sources: Vec<_> = banned
        .filter(|banned| wanted.is_none_or(|wanted| wanted == *banned))
        .map(|banned| banned.to_string())
        .collect();
    if let (Some(source), true) = (wanted, sources.is_empty()) {
        return Err(Error::failed(format!("{source} is not banned"))
            .hint("`seawall network list` shows who is; `seawall network check` says what else keeps an address out"));
    }
    gate.trail
        .event("network.unban", json!({ "sources": sources }))
        .doing(|| "record who is let in again".to_owned())?;
    gate.admission.unban(wanted);
    Ok(sources)
}

fn kill(gate: &Gate, id: &str) -> Result<Answer, Error> {
    let session = u64::from_str_radix(id, 16).ok().and_then(|id| gate.sessions.find(id));
    let Some(session) = session else {
        return Err(Error::failed(format!("no session `{}`", id.escape_debug()))
            .hint("`seawall sessions` lists those that are open"));
    };
    session.end("killed by the operator");
    gate.trail
        .event(
            "session.kill",
            json!({ "session": id, "identity": session.authority().subject.name }),
        )
        .doing(|| "record that the session was killed, as it was".to_owned())?;
    Ok(Answer::Killed)
}
