//! Stage 6, for what BuildKit's clients and the engine say to each other by gRPC inside the
//! connections that `/session` and `/grpc` become: which calls pass, and what is judged of them.
//!
//! In a session the engine calls and the client answers, so that what is judged are answers; in
//! `/grpc` it is what the client asks.

mod files;
mod frame;
mod proto;
mod solve;
mod to_engine;

use files::Files;
pub use solve::Solve;
pub use to_engine::{BUILD, MAX_MESSAGE, Message, ToEngine};

use crate::policy::Undecided;
use crate::verdict::Refusal;

/// Judges what is answered to one call, as it passes.
#[derive(Debug)]
pub struct Answer(Files);

impl Answer {
    /// Judges `input`, and appends to `out` what may go on.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing more may go on then, not even what was appended.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.0.push(input, out)
    }

    /// The rules by which it would have been refused by now, were it not for a role in warn mode.
    pub fn would_deny(&self) -> &[&'static str] {
        self.0.would_deny()
    }

    /// The answer has come to its end.
    ///
    /// # Errors
    /// A [`Refusal`] when it is cut short.
    pub fn finish(&self) -> Result<(), Refusal> {
        self.0.end()
    }

    /// What the engine is told of a refusal inside the answer. It may lose the status of a call,
    /// when that is cut off while it still asks for files.
    pub fn refusing(message: &str) -> Vec<u8> {
        files::error(message)
    }
}

/// A call that the engine makes in a session: what judges its answer, `None` where that passes as
/// it comes. `folder` is the call's `dir-name`; `undecided` are the roles that grant the build, and
/// `now` the time, in nanoseconds since 1970, later than at any call before.
///
/// # Errors
/// A [`Refusal`] for a call that no build needs which a role could be given.
pub fn in_session(
    method: &str,
    folder: Option<&str>,
    undecided: &Undecided,
    now: i64,
) -> Result<Option<Answer>, Refusal> {
    match method {
        "/moby.filesync.v1.FileSync/DiffCopy" => match folder {
            Some("context") => Ok(None),
            Some("dockerfile") => Ok(Some(Answer(Files::new(undecided.clone(), now)))),
            _ => Err(Refusal::forbidden(
                "buildkit.folder",
                format!(
                    "may not have the engine take the folder {} from its client: `context` and \
                     `dockerfile` are what a build needs",
                    crate::escape::quoted(folder.unwrap_or_default().as_bytes())
                ),
            )),
        },
        // What the client is asked for itself, and gives or not.
        "/grpc.health.v1.Health/Check"
        | "/moby.buildkit.secrets.v1.Secrets/GetSecret"
        | "/moby.filesync.v1.Auth/Credentials"
        | "/moby.filesync.v1.Auth/FetchToken"
        | "/moby.filesync.v1.Auth/GetTokenAuthority"
        | "/moby.filesync.v1.Auth/VerifyTokenAuthority"
        // Files that the build has made (`--output`).
        | "/moby.filesync.v1.FileSend/DiffCopy"
        | "/moby.sshforward.v1.SSH/CheckAgent"
        | "/moby.sshforward.v1.SSH/ForwardAgent" => Ok(None),
        _ => Err(unknown(method)),
    }
}

fn unknown(method: &str) -> Refusal {
    let method = crate::escape::quoted(method.as_bytes());
    Refusal::forbidden(
        "buildkit.method",
        format!("may not make the call {method}: what it does is not judged"),
    )
}

/// Refuses to build with something, by an entry of the catalogue or a rule of its own.
fn refused(rule: &'static str, how: &str, what: &str) -> Refusal {
    let what = crate::escape::quoted(what.as_bytes());
    Refusal::forbidden(rule, format!("may not build {how} {what}"))
}

fn unreadable(what: &str, why: &str) -> Refusal {
    Refusal::malformed("buildkit.message", format!("{what} cannot be read: {why}"))
}

#[cfg(test)]
mod tests;
