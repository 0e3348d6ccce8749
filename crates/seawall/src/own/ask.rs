//! The gate's own questions to the engine, on a connection of their own.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use seawall_rules::target::Target;
use seawall_rules::verdict::Refusal;
use serde_json::Value;
use tokio::time::timeout;

use crate::engine::Engine;

/// A connection for questions; made at the first one.
#[derive(Debug, Default)]
pub struct Asking {
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// What the engine says.
#[derive(Debug)]
pub(super) enum Said {
    /// This is it.
    Thing(Box<Value>),
    /// There is no such thing, or several.
    Nothing,
}

impl Asking {
    /// Looks something up: path segments, and a query.
    pub(super) async fn get(
        &mut self,
        engine: &Engine,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Said, Refusal> {
        self.ask(engine, Method::GET, path, query, None).await
    }

    /// Has something made.
    pub(super) async fn post(
        &mut self,
        engine: &Engine,
        path: &[&str],
        body: &Value,
    ) -> Result<Said, Refusal> {
        self.ask(engine, Method::POST, path, &[], Some(body)).await
    }

    /// Has something removed, not by force; nothing is what there is not, or what is in use.
    pub(super) async fn delete(&mut self, engine: &Engine, path: &[&str]) -> Result<Said, Refusal> {
        self.ask(engine, Method::DELETE, path, &[], None).await
    }

    async fn ask(
        &mut self,
        engine: &Engine,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Said, Refusal> {
        let target = Target {
            version: None,
            release: None,
            segments: path.iter().map(|part| (*part).to_owned()).collect(),
            query: query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
        .to_string();
        match timeout(PATIENCE, self.exchange(engine, method, &target, body)).await {
            Ok(Ok(said)) => Ok(said),
            Ok(Err(why)) => {
                self.sender = None;
                Err(unanswered(&why))
            }
            Err(_) => {
                self.sender = None;
                Err(unanswered("it takes too long"))
            }
        }
    }

    async fn exchange(
        &mut self,
        engine: &Engine,
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Said, String> {
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => {
                let stream = engine.dial().await.map_err(|why| why.to_string())?;
                let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
                let (sender, connection) = handshake.map_err(|error| error.to_string())?;
                tokio::spawn(connection);
                sender
            }
        };
        let is_removal = method == Method::DELETE;
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, "docker")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(bytes))
            .map_err(|error| error.to_string())?;
        sender.ready().await.map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let read = Limited::new(response.into_body(), LARGEST).collect().await;
        let bytes = read.map_err(|error| error.to_string())?.to_bytes();
        self.sender = Some(sender);
        match status {
            StatusCode::NO_CONTENT => Ok(Said::Thing(Box::new(Value::Null))),
            // Of a network that is in use.
            StatusCode::FORBIDDEN if is_removal => Ok(Said::Nothing),
            StatusCode::OK | StatusCode::CREATED => serde_json::from_slice(&bytes)
                .map(|value| Said::Thing(Box::new(value)))
                .map_err(|_| "its answer is no JSON".to_owned()),
            // 400 and 409: several things could be meant, or the name is none.
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::CONFLICT => {
                Ok(Said::Nothing)
            }
            status => Err(format!("it answered {}", status.as_u16())),
        }
    }
}

fn unanswered(why: &str) -> Refusal {
    Refusal {
        status: 502,
        rule: "isolation.unanswered",
        reason: format!("the engine does not say whose the named things are: {why}"),
    }
}

/// How long the engine may take to say what a thing is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of an answer; a list of all that was made through the gate is the longest.
const LARGEST: usize = 64 * 1024 * 1024;
