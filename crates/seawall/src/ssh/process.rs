//! The SSH process, from the gate's side: started, watched, started again when it dies.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use seawall_rules::escape::bounded;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::line::{Accepted, Line, Ready, Setup};
use crate::cli::report::{Doing, Error};

/// How long the first start may take.
const START: Duration = Duration::from_secs(10);
/// Waits before a restart: doubled with each that follows within [`STEADY`] of the last.
const BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
const STEADY: Duration = Duration::from_secs(60);

/// The SSH process, whichever is running now.
#[derive(Debug)]
pub struct Process {
    current: watch::Receiver<Option<Running>>,
    stop: CancellationToken,
}

/// One that runs.
#[derive(Clone, Debug)]
struct Running {
    line: Arc<Line>,
    sandbox: Arc<str>,
}

impl Process {
    /// Starts it, and a task that starts it again whenever it dies, until [`Process::stop`].
    ///
    /// # Errors
    /// When it cannot be started or does not confine itself.
    pub async fn start(setup: Setup) -> Result<(Self, JoinHandle<()>), Error> {
        let (child, running) = spawn(&setup).await?;
        tracing::info!(sandbox = %running.sandbox, "the SSH process serves");
        let (current, watched) = watch::channel(Some(running));
        let stop = CancellationToken::new();
        let watcher = tokio::spawn(watch_over(child, current, setup, stop.clone()));
        Ok((Self { current: watched, stop }, watcher))
    }

    /// Hands it a connection: the client's socket, and its end of the line for it. Waits while
    /// it is being started again.
    ///
    /// # Errors
    /// When it is stopped for good.
    pub async fn hand_over(
        &self,
        client: &OwnedFd,
        line: &OwnedFd,
        port: u16,
    ) -> std::io::Result<()> {
        let mut current = self.current.clone();
        loop {
            let running =
                current.wait_for(Option::is_some).await.map_err(std::io::Error::other)?.clone();
            let Some(running) = running else { continue };
            let with = [client.as_fd(), line.as_fd()];
            if running.line.send(&Accepted { port }, &with).await.is_ok() {
                return Ok(());
            }
            // It died just now, and the watcher will have noticed.
            current.changed().await.map_err(std::io::Error::other)?;
        }
    }

    /// What confines it, or nothing while it is being started again.
    pub fn sandbox(&self) -> Option<String> {
        self.current.borrow().as_ref().map(|running| running.sandbox.to_string())
    }

    /// Ends it, and with it all its connections.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

async fn watch_over(
    mut child: Child,
    current: watch::Sender<Option<Running>>,
    setup: Setup,
    stop: CancellationToken,
) {
    let mut backoff = BACKOFF;
    loop {
        let began = tokio::time::Instant::now();
        let status = tokio::select! {
            status = child.wait() => status,
            () = stop.cancelled() => {
                // The end of its line tells it to go.
                current.send_replace(None);
                if tokio::time::timeout(Duration::from_secs(1), child.wait()).await.is_err() {
                    let _ = child.kill().await;
                }
                return;
            }
        };
        current.send_replace(None);
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        tracing::error!(%status, "the SSH process died; it is started again");
        if began.elapsed() > STEADY {
            backoff = BACKOFF;
        }
        child = loop {
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                () = stop.cancelled() => return,
            }
            backoff = (backoff * 2).min(MAX_BACKOFF);
            match spawn(&setup).await {
                Ok((child, running)) => {
                    current.send_replace(Some(running));
                    break child;
                }
                Err(error) => tracing::error!(%error, "the SSH process does not start"),
            }
        };
    }
}

/// Starts one and waits until it says that it is ready.
async fn spawn(setup: &Setup) -> Result<(Child, Running), Error> {
    let (ours, theirs) = Line::pair().doing(|| "make a socket for the SSH process".to_owned())?;
    let line = Line::new(ours).doing(|| "watch the SSH process".to_owned())?;
    // This very binary, whatever stands at its path by now: both sides speak one version.
    let mut child = Command::new("/proc/self/exe")
        .arg0("seawall")
        .arg("ssh-door")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .doing(|| "start the SSH process".to_owned())?;
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(log(stderr));
    }
    let ready = async {
        line.send(setup, &[]).await?;
        line.receive::<Ready>().await
    };
    match tokio::time::timeout(START, ready).await {
        Ok(Ok(Some((Ready { sandbox }, _)))) => {
            let sandbox = bounded(sandbox.as_bytes(), 256).into();
            Ok((child, Running { line: Arc::new(line), sandbox }))
        }
        Ok(Ok(None)) => Err(Error::failed("the SSH process ended at once; the log says why")),
        Ok(Err(error)) => Err(error).doing(|| "talk to the SSH process".to_owned()),
        Err(_) => Err(Error::failed("the SSH process does not answer")),
    }
}

/// Logs what the process writes to standard error. It may be a stranger's by then, so what is
/// logged is escaped, and bounded.
async fn log(mut stderr: impl tokio::io::AsyncRead + Unpin) {
    let mut buffer = vec![0; 2048];
    let mut left = MOST_LOGGED;
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        for line in buffer[..read].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            if left > 0 {
                tracing::warn!(said = %bounded(line, 512), "the SSH process");
            }
            left = left.saturating_sub(1);
        }
    }
}

/// Lines of one process's life.
const MOST_LOGGED: u32 = 200;
