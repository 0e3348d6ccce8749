//! A running command whose output can be waited for while it runs.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::wait::{LONG, SHORT, until};

/// Bytes that a thread keeps reading.
#[derive(Clone, Default)]
pub(crate) struct Collected(Arc<Mutex<(Vec<u8>, bool)>>);

impl Collected {
    /// Reads `from` to its end in a thread.
    pub(crate) fn reading(mut from: impl Read + Send + 'static) -> Self {
        let collected = Self::default();
        let sink = collected.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                sink.0.lock().unwrap().0.extend_from_slice(&buffer[..n]);
            }
            sink.0.lock().unwrap().1 = true;
        });
        collected
    }

    /// What came so far, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap().0).into_owned()
    }

    /// What came so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().0.clone()
    }

    /// Whether the end was read.
    pub(crate) fn ended(&self) -> bool {
        self.0.lock().unwrap().1
    }

    /// Waits until the text holds `needle`.
    #[track_caller]
    pub(crate) fn wait_for(&self, needle: &str) {
        until(
            SHORT,
            || format!("no `{needle}` in {}", clipped(&self.text())),
            || self.text().contains(needle),
        );
    }
}

/// A command while it runs. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    what: String,
    /// Standard input, if it was asked for; dropping it is end of file.
    pub(crate) stdin: Option<ChildStdin>,
    /// Standard output.
    pub(crate) stdout: Collected,
    /// Standard error.
    pub(crate) stderr: Collected,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    what: String,
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Running {
    /// Starts `command` with standard input closed.
    pub(crate) fn start(command: Command) -> Self {
        Self::spawn(command, Stdio::null())
    }

    /// Starts `command` with standard input from `from`.
    pub(crate) fn spawn(mut command: Command, from: impl Into<Stdio>) -> Self {
        let args: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        let what = format!("{} {}", command.get_program().to_string_lossy(), args.join(" "));
        let mut child = command
            .stdin(from)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {what}: {error}"));
        Self {
            what,
            stdin: child.stdin.take(),
            stdout: Collected::reading(child.stdout.take().unwrap()),
            stderr: Collected::reading(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Writes to its standard input.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.child.id().cast_signed())
    }

    /// Closes its standard input and waits for it to end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Done {
        drop(self.stdin.take());
        let mut status = None;
        until(
            LONG,
            || {
                let (out, err) = (self.stdout.text(), self.stderr.text());
                format!("{} still runs; {} {}", self.what, clipped(&out), clipped(&err))
            },
            || {
                status = self.child.try_wait().unwrap();
                status.is_some() && self.stdout.ended() && self.stderr.ended()
            },
        );
        Done {
            what: std::mem::take(&mut self.what),
            status: status.unwrap(),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Done {
    /// Its standard output, without the last line's end; panics if it failed.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert!(self.status.success(), "{self}");
        self.stdout.trim_end().to_owned()
    }

    /// Its exit code and standard error; panics if it succeeded.
    #[track_caller]
    pub(crate) fn fails(self) -> (Option<i32>, String) {
        assert!(!self.status.success(), "{self}");
        (self.status.code(), self.stderr)
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ended with {}\nstdout: {}\nstderr: {}",
            self.what,
            self.status,
            clipped(&self.stdout),
            clipped(&self.stderr)
        )
    }
}

// The end of a text, short enough for a failure's message.
fn clipped(text: &str) -> &str {
    let from = text.len().saturating_sub(3000);
    let from = (from..).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[from..]
}

/// Writes a script that can be run at once. Another process writes it: while a file is open for
/// writing here, a child that another test is just starting may hold it, and nobody can run it.
pub(crate) fn script(at: &Path, text: &str) {
    let mut install = Command::new("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(at);
    let mut install = Running::spawn(install, Stdio::piped());
    install.write(text.as_bytes());
    install.wait().ok();
}
