//! A command's side of the admin socket. With no gate running, calls about identities work on
//! the state directly, under the same lock a gate holds; never beside a running gate.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::{Answer, Call};
use crate::audit::Trail;
use crate::cli::Context;
use crate::cli::report::{Doing, Error};
use crate::config::{self, Config};
use crate::state::call::{Reply, StateCall};
use crate::state::{self, Lock, Store};

/// How long a state that somebody else holds, with no gate answering, is waited for.
const BUSY: Duration = Duration::from_secs(5);

/// Asks the running gate.
///
/// # Errors
/// What the gate refused; that no gate runs; or that one runs and its socket does not answer.
pub fn call(context: &Context, call: &Call) -> Result<Answer, Error> {
    let config = config::load_for_command(context);
    match ask(&socket(&config, context), call)? {
        Some(answer) => Ok(answer),
        None => Err(config.err().unwrap_or_else(|| {
            Error::failed("no gate is running here")
                .hint("start it with `seawall up`, or `systemctl start seawall`")
        })),
    }
}

/// Asks the running gate to answer or change something about identities, or does it here when
/// none runs.
///
/// # Errors
/// What was refused, or what keeps the state from being used.
pub fn state_call(context: &Context, call: StateCall) -> Result<Reply, Error> {
    let config = config::load_for_command(context);
    let socket = socket(&config, context);
    let asked = Call::State(Box::new(call.clone()));
    let began = Instant::now();
    let lock = loop {
        match ask(&socket, &asked)? {
            Some(Answer::State(reply)) => return Ok(*reply),
            Some(_) => return Err(unexpected()),
            None => {}
        }
        match Lock::take(&context.state_dir) {
            // Another command, which is soon done, or a gate that is about to answer.
            Err(state::Error::Busy(_)) if began.elapsed() < BUSY => {}
            taken => break taken,
        }
    };
    locally(context, &config?, call, lock?)
}

/// The gate answered something else than was asked.
pub fn unexpected() -> Error {
    Error::failed("the gate gave an answer this command does not know")
        .hint("command and gate may be of different versions: restart the gate")
}

/// Where the gate's admin socket is. A file that does not hold by itself is no reason not to
/// reach a gate that runs: its flags may complete it, or somebody is in the middle of an edit
/// while a revocation cannot wait.
fn socket(config: &Result<Config, Error>, context: &Context) -> PathBuf {
    match config {
        Ok(config) => config.admin.socket.clone(),
        Err(_) => context.state_dir.join(config::ADMIN_SOCKET),
    }
}

/// `None` when nobody listens on the admin socket.
fn ask(socket: &Path, call: &Call) -> Result<Option<Answer>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing(|| "start the runtime".to_owned())?;
    runtime.block_on(async {
        let stream = match UnixStream::connect(socket).await {
            Ok(stream) => stream,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
            {
                return Ok(None);
            }
            Err(error) => {
                let failed = Error::failed(format!(
                    "cannot reach the gate at {}: {error}",
                    socket.display()
                ));
                return Err(failed.hint("run this as root, or as the user the gate runs as"));
            }
        };
        let lost = || format!("talk to the gate at {}", socket.display());
        let body = serde_json::to_vec(call).doing(lost)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.doing(lost)?;
        tokio::spawn(connection);
        let request = Request::post("/call")
            .header(hyper::header::HOST, "gate")
            .body(Full::new(Bytes::from(body)))
            .doing(lost)?;
        let response = sender.send_request(request).await.doing(lost)?;
        let status = response.status();
        let body = response.into_body().collect().await.doing(lost)?.to_bytes();
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map(Some).map_err(|_| unexpected()),
            _ => Err(serde_json::from_slice(&body).unwrap_or_else(|_| unexpected())),
        }
    })
}

/// Works on the state under the lock a gate would hold, and records it as the gate would.
fn locally(
    context: &Context,
    config: &Config,
    call: StateCall,
    lock: Lock,
) -> Result<Reply, Error> {
    let mut store = match call {
        StateCall::SetUp { .. } => Store::create(lock)?,
        _ => Store::open(lock)?,
    };
    let now = SystemTime::now();
    let Some((what, detail)) = call.recorded() else {
        return state::execute(&mut store, call, &config.roles, now);
    };
    let trail = Trail::open(&config.audit, &context.state_dir)
        .doing(|| "open the audit trail".to_owned())?;
    trail.event(what, detail).doing(|| "record the change".to_owned())?;
    let done = state::execute(&mut store, call, &config.roles, now);
    if let Err(error) = &done {
        trail.change_refused(what, &error.message);
    }
    trail.close();
    done
}
