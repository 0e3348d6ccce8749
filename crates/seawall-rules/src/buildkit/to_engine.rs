//! Calls that a client makes in `/grpc`: which pass, and what their messages are.

use super::frame::{self, Frames};
use super::proto::{self, Bad};
use super::solve::{Of, Solve};
use super::{unknown, unreadable};
use crate::verdict::Refusal;

/// What a call of a client needs before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToEngine {
    /// Nothing: it asks what the engine is.
    Free,
    /// It must be about a build of its sender's own, by its metadata.
    OfBuild,
    /// What is to be built must be judged.
    Solve,
    /// The same, where the client runs the frontend; about a build of its own besides.
    SolveOfBuild,
    /// It must be about a build of its sender's own, by its message.
    Status,
}

/// The metadata that says which build a call is about.
pub const BUILD: &str = "buildkit-controlapi-buildid";

/// Bytes of a message that is judged.
pub const MAX_MESSAGE: usize = 4 << 20;

impl ToEngine {
    /// By the call's method.
    ///
    /// # Errors
    /// A [`Refusal`] for a call that no build needs which a role could be given.
    pub fn of(method: &str) -> Result<Self, Refusal> {
        Ok(match method {
            "/grpc.health.v1.Health/Check"
            | "/moby.buildkit.v1.Control/Info"
            | "/moby.buildkit.v1.Control/ListWorkers" => Self::Free,
            "/moby.buildkit.v1.Control/Solve" => Self::Solve,
            "/moby.buildkit.v1.Control/Status" => Self::Status,
            "/moby.buildkit.v1.frontend.LLBBridge/Evaluate"
            | "/moby.buildkit.v1.frontend.LLBBridge/Inputs"
            | "/moby.buildkit.v1.frontend.LLBBridge/Ping"
            | "/moby.buildkit.v1.frontend.LLBBridge/ReadDir"
            | "/moby.buildkit.v1.frontend.LLBBridge/ReadFile"
            | "/moby.buildkit.v1.frontend.LLBBridge/Return"
            | "/moby.buildkit.v1.frontend.LLBBridge/StatFile"
            | "/moby.buildkit.v1.frontend.LLBBridge/Warn" => Self::OfBuild,
            "/moby.buildkit.v1.frontend.LLBBridge/Solve" => Self::SolveOfBuild,
            _ => return Err(unknown(method)),
        })
    }
}

/// A message that is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// What is to be built.
    Solve(Box<Solve>),
    /// What a client that runs the frontend has it build.
    SolveOfBuild(Box<Solve>),
    /// The name of a build that is watched.
    Status(String),
}

impl Message {
    /// Reads the message of a call; `None` where it needs none to be read.
    ///
    /// # Errors
    /// A [`Refusal`] for what is not exactly one message of that kind.
    pub fn read(call: ToEngine, body: &[u8]) -> Result<Option<Self>, Refusal> {
        let message = || {
            let mut frames = Frames::new(MAX_MESSAGE);
            frames.push(body);
            let message = frames.next()?;
            frames.end()?;
            message.ok_or_else(|| unreadable("a message", "there is none"))
        };
        let solve = |of| Solve::read(&message()?, of).map(Box::new);
        Ok(match call {
            ToEngine::Free | ToEngine::OfBuild => None,
            ToEngine::Solve => Some(Self::Solve(solve(Of::Control)?)),
            ToEngine::SolveOfBuild => Some(Self::SolveOfBuild(solve(Of::Frontend)?)),
            ToEngine::Status => {
                let name = status(&message()?).map_err(|why| unreadable("a message", why))?;
                Some(Self::Status(name))
            }
        })
    }

    /// The message as it goes on, in its frame.
    pub fn framed(&self) -> Vec<u8> {
        let message = match self {
            Self::Solve(solve) => solve.written(Of::Control),
            Self::SolveOfBuild(solve) => solve.written(Of::Frontend),
            Self::Status(name) => {
                let mut out = Vec::new();
                proto::put_text(&mut out, 1, name);
                out
            }
        };
        let mut out = Vec::new();
        frame::put(&mut out, &message);
        out
    }
}

/// `StatusRequest`.
fn status(message: &[u8]) -> Result<String, Bad> {
    match proto::fields(message)?.as_slice() {
        [(1, name)] => name.text(),
        _ => Err(proto::UNKNOWN),
    }
}
