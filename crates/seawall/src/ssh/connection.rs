//! One SSH connection, from the gate's side: whose key it is, what its channels may be, and its
//! end when its identity ends.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use seawall_rules::escape::bounded;
use seawall_rules::ssh::exec::{self, means_the_engine};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::line::{Ask, Line, Reply, Wish};
use super::process::Process;
use super::record_refused;
use crate::admit::Peer;
use crate::audit::RefusedConnection;
use crate::authenticate::ssh::{Offered, Refused, Server, authenticate};
use crate::authenticate::{Authority, Credential};
use crate::gate::Gate;
use crate::metrics::Limit;
use crate::session;

/// Serves an admitted connection until it ends; `client` is its socket.
///
/// # Errors
/// Why it never authenticated.
pub async fn serve(
    gate: &Arc<Gate>,
    process: &Process,
    client: OwnedFd,
    peer: Peer,
    port: u16,
) -> Result<(), RefusedConnection> {
    let handed_over = async {
        let (ours, theirs) = Line::pair()?;
        process.hand_over(&client, &theirs, port).await?;
        Line::new(ours)
    };
    let grace = gate.snapshot.load().config.limits.handshake;
    let deadline = Instant::now() + grace;
    let line = match tokio::time::timeout_at(deadline, handed_over).await {
        Ok(Ok(line)) => line,
        Ok(Err(error)) => {
            tracing::warn!(peer = %peer.address, %error, "cannot hand a connection to the SSH process");
            return Err(RefusedConnection::Handshake);
        }
        Err(_) => return Err(RefusedConnection::Handshake),
    };
    // The process has its own now, and closing that one must be the end.
    drop(client);
    let connection = Connection {
        gate: gate.clone(),
        peer,
        line,
        proved: None,
        unproved: RefusedConnection::Handshake,
        noted: HashSet::new(),
        deadline,
        channels: TaskTracker::new(),
    };
    connection.run().await
}

/// Time to sign with a key that is known: a person may have to type a passphrase, or to find a
/// token. A stranger has `limits.handshake` for everything.
const TO_SIGN: Duration = Duration::from_secs(60);

struct Connection {
    gate: Arc<Gate>,
    peer: Peer,
    line: Line,
    proved: Option<Proved>,
    /// Why it is refused if it ends now, before it has proved anything.
    unproved: RefusedConnection,
    noted: HashSet<&'static str>,
    deadline: Instant,
    channels: TaskTracker,
}

/// Who it is.
struct Proved {
    offered: Offered,
    credential: Credential,
    authority: Arc<Authority>,
}

/// What a message of the SSH process leads to.
enum Next {
    Reply(Reply),
    Open(UnixStream),
    Nothing,
}

impl Connection {
    async fn run(mut self) -> Result<(), RefusedConnection> {
        let mut published = self.gate.published.subscribe();
        let gate = self.gate.clone();
        loop {
            let authenticated = self.proved.is_some();
            let expiry = expiry(self.proved.as_ref());
            tokio::select! {
                said = self.line.receive::<Ask>() => {
                    let Ok(Some((ask, _))) = said else { break };
                    if self.answer(ask).await.is_err() {
                        break;
                    }
                }
                () = tokio::time::sleep_until(self.deadline), if !authenticated => {
                    gate.metrics.limit_hit(Limit::Handshake);
                    break;
                }
                // A snapshot may no longer let it be.
                Ok(()) = published.changed(), if authenticated => {
                    if let Err(why) = self.judge() {
                        self.end(why).await;
                        break;
                    }
                }
                () = expiry => {
                    self.end("its credential has expired".to_owned()).await;
                    break;
                }
                () = self.idle_while_draining() => {
                    self.end("the gate is stopping".to_owned()).await;
                    break;
                }
            }
        }
        if self.proved.is_some() { Ok(()) } else { Err(self.unproved) }
    }

    /// Answers one message.
    async fn answer(&mut self, ask: Ask) -> io::Result<()> {
        let next = match ask {
            Ask::Left => {
                self.unproved = RefusedConnection::Left;
                Next::Nothing
            }
            Ask::Offers { public, user } => {
                let known = self.offers(&public, user);
                Next::Reply(if known { Reply::Yes } else { Reply::No })
            }
            Ask::Proves { public, user } => {
                let known = self.proves(public, user);
                Next::Reply(if known { Reply::Yes } else { Reply::No })
            }
            Ask::Opens(wish) => self.opens(&wish).await,
            Ask::Noted(kind, detail) => {
                self.note(kind.as_str(), bounded(detail.as_bytes(), 256));
                Next::Nothing
            }
        };
        match next {
            Next::Reply(reply) => self.line.send(&reply, &[]).await,
            Next::Open(stream) => self.line.send(&Reply::Opened, &[stream.as_fd()]).await,
            Next::Nothing => Ok(()),
        }
    }

    /// Whether it is worth the client's while to sign with a key: a person may have to touch a
    /// token for that.
    fn offers(&mut self, public: &[u8], user: String) -> bool {
        let offered = self.offered(public.to_vec(), user);
        let snapshot = self.gate.snapshot.load();
        // What is offered first of a certificate is its key alone, which may be nobody's.
        let known = snapshot.config.ssh.trusted_user_ca.is_some()
            || authenticate(&snapshot, &offered).is_ok();
        if known {
            self.deadline = self.deadline.max(Instant::now() + TO_SIGN);
        } else {
            self.unproved = RefusedConnection::Key;
        }
        known
    }

    fn proves(&mut self, public: Vec<u8>, user: String) -> bool {
        // Who it is, is said once (RFC 4252 section 5.1).
        if self.proved.is_some() {
            return false;
        }
        let offered = self.offered(public, user);
        match authenticate(&self.gate.snapshot.load(), &offered) {
            Ok((credential, authority)) => {
                self.proved = Some(Proved { offered, credential, authority });
                true
            }
            Err(Refused(reason)) => {
                let user = bounded(offered.user.as_bytes(), 64);
                tracing::info!(peer = %self.peer.address, %user, reason, "SSH key refused");
                self.unproved = RefusedConnection::Key;
                false
            }
        }
    }

    /// Whether it still is who it was, by the snapshot in force.
    fn judge(&mut self) -> Result<(), String> {
        let Some(proved) = &mut self.proved else { return Err("not authenticated".to_owned()) };
        let (_, authority) = authenticate(&self.gate.snapshot.load(), &proved.offered)
            .map_err(|refused| refused.0)?;
        proved.authority = authority;
        Ok(())
    }

    fn offered(&self, public: Vec<u8>, user: String) -> Offered {
        Offered { public, user, peer: self.peer, server: Server::Gate }
    }

    /// Opens the pipeline for a channel that means the engine.
    async fn opens(&mut self, wish: &Wish) -> Next {
        if let Err(why) = self.judge() {
            return Next::Reply(Reply::Refused { why });
        }
        let (wish, kind, detail) = match wish {
            Wish::Exec(command) => (exec::Wish::Exec(command), "exec", bounded(command, 256)),
            Wish::Shell => (exec::Wish::Shell, "shell", String::new()),
            Wish::Streamlocal(path) => {
                (exec::Wish::Streamlocal(path), "streamlocal", bounded(path.as_bytes(), 256))
            }
            Wish::Subsystem(name) => {
                (exec::Wish::Subsystem(name), "subsystem", bounded(name.as_bytes(), 64))
            }
        };
        if let Err(refused) = means_the_engine(wish) {
            self.note(kind, detail);
            return Next::Reply(Reply::Refused { why: refused.to_string() });
        }
        let refused = |why: &str| Next::Reply(Reply::Refused { why: why.to_owned() });
        let Some(proved) = &self.proved else { return refused("not authenticated") };
        let Ok((ours, theirs)) = UnixStream::pair() else {
            return refused("the gate has no descriptors left");
        };
        let (began, begins) = oneshot::channel();
        let (gate, peer, credential) = (self.gate.clone(), self.peer, proved.credential.clone());
        self.channels.spawn(async move {
            match gate.begin_session(peer, credential) {
                Ok(session) => {
                    let _ = began.send(Ok(()));
                    session::serve(&gate, &session, ours).await;
                }
                Err(why) => {
                    gate.refused(peer.address.ip(), why);
                    let _ = began.send(Err(()));
                }
            }
        });
        match begins.await {
            Ok(Ok(())) => Next::Open(theirs),
            Ok(Err(())) | Err(_) => refused("this identity has too many connections"),
        }
    }

    /// Records what was refused, each kind once a connection: a client of Debian's sends its
    /// locale every time.
    fn note(&mut self, kind: &'static str, detail: String) {
        if let Some(proved) = &self.proved
            && self.noted.insert(kind)
        {
            record_refused(&self.gate, &proved.authority, self.peer, kind, detail);
        }
    }

    /// Tells the client why, and ends the connection by dropping the line.
    async fn end(&self, why: String) {
        let _ = self.line.send(&Reply::End { why }, &[]).await;
    }

    async fn idle_while_draining(&self) {
        self.gate.draining.cancelled().await;
        self.channels.close();
        self.channels.wait().await;
    }
}

/// Completes when the credential expires.
async fn expiry(proved: Option<&Proved>) {
    let end = proved.and_then(|proved| proved.authority.not_after);
    let Some(end) = end else { return std::future::pending().await };
    let left = end.duration_since(SystemTime::now()).unwrap_or_default();
    tokio::time::sleep(left).await;
}
