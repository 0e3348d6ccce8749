//! Errors as the person at the terminal sees them: what, why, what to do, and an exit code.

use std::fmt;
use std::io::Write as _;

use seawall_rules::ssh::exec::NOT_FOUND;
use serde::{Deserialize, Serialize};

/// Who has to act; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The thing asked for failed or was refused: exit code 1.
    Failed,
    /// A finding, where the command looks for findings: exit code 3.
    Found,
    /// There was nothing to look at, where the command looks for findings: exit code 4.
    Nothing,
    /// What a client asked sshd to run is refused: exit code 127, as by the gate's own server.
    NotRun,
    /// Wrong usage or a bad configuration: exit code 2.
    Usage,
}

/// An error that ends a command. Wording: lower case, no final period, input in backticks; the
/// remedy is a hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// Decides the exit code.
    pub kind: Kind,
    /// One line, or `path:line:col: message` with the line beneath for a file's error.
    pub message: String,
    /// What to do, one line each, printed as `hint: ...`.
    pub hints: Vec<String>,
}

impl Error {
    /// What was asked for failed or was refused.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, message: message.into(), hints: Vec::new() }
    }

    /// The command or its configuration is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, message: message.into(), hints: Vec::new() }
    }

    /// The command found what it looks for (a changed record, a finding).
    pub fn found(message: impl Into<String>) -> Self {
        Self { kind: Kind::Found, message: message.into(), hints: Vec::new() }
    }

    /// There was nothing that the command could have looked at.
    pub fn nothing(message: impl Into<String>) -> Self {
        Self { kind: Kind::Nothing, message: message.into(), hints: Vec::new() }
    }

    /// What a client asked sshd to run is refused.
    pub fn not_run(message: impl Into<String>) -> Self {
        Self { kind: Kind::NotRun, message: message.into(), hints: Vec::new() }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Found => 3,
            Kind::Nothing => 4,
            Kind::NotRun => NOT_FOUND,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        for hint in &self.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Writes data to standard output. A reader that has gone away (`| head`) is no error.
///
/// # Errors
/// [`Kind::Failed`] when it cannot be written.
pub fn print(data: impl AsRef<[u8]>) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(data.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.doing(|| "write to standard output".to_owned()),
    }
}

/// Writes a value to standard output as JSON for people and programs.
///
/// # Errors
/// [`Kind::Failed`] when it cannot be written.
pub fn print_json(value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).doing(|| "write JSON".to_owned())?;
    print(text + "\n")
}

/// Adds what was being done to an I/O error, where it is known.
pub trait Doing<T> {
    /// `error: cannot read /etc/x: permission denied`.
    ///
    /// # Errors
    /// [`Kind::Failed`] with the text and the cause.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Error::failed(format!("cannot {}: {error}", what())))
    }
}
