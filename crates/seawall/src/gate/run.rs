//! From a configuration to a serving gate, and back down: start, signals, reload, drain.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sd_notify::NotifyState;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Gate, Snapshot, upgrade};
use crate::admin;
use crate::audit::Trail;
use crate::cli::Context;
use crate::cli::report::{Doing, Error};
use crate::config::Config;
use crate::exposure::watch;
use crate::listen;
use crate::metrics::Limit;
use crate::ssh;
use crate::state::{Lock, Store};

/// How often the gate looks at its own certificate and notes the time.
const UPKEEP: Duration = Duration::from_secs(600);

const MINUTE: Duration = Duration::from_secs(60);

/// Serves until told to stop. `again` are the arguments of the `seawall serve` that it becomes by an
/// upgrade.
///
/// # Errors
/// Whatever keeps the gate from starting; it never half-starts.
pub fn run(context: &Context, config: Config, again: &[OsString]) -> Result<(), Error> {
    let binary = std::env::current_exe().doing(|| "find the seawall binary".to_owned())?;
    // Connections have their lanes; what is left is accepting, commands and upkeep.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .doing(|| "start the runtime".to_owned())?;
    let stopped = runtime.block_on(serve(context, config, &binary, again))?;
    // Tasks that outlived the drain's deadline end here.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match stopped {
        Stopped::ForGood => Ok(()),
        Stopped::ForUpgrade(sockets) => Err(upgrade::become_new(&binary, again, &sockets)),
    }
}

enum Stopped {
    ForGood,
    ForUpgrade(Vec<upgrade::Socket>),
}

async fn serve(
    context: &Context,
    config: Config,
    binary: &Path,
    again: &[OsString],
) -> Result<Stopped, Error> {
    let mut signals = Signals::listen()?;
    let config = Arc::new(config);
    let mut store = Store::create(Lock::take(&context.state_dir)?)?;
    let snapshot = Snapshot::build(&mut store, config.clone())?;
    // First of all sockets: who can reach the gate can also reach its commands.
    let admin = admin::server::bind(&config.admin)?;
    let ssh = ssh::Server::start(&context.state_dir, &config).await?;
    let (server, watcher) = ssh.unzip();
    let listeners = listen::bind(&config.listen, config.ssh.sshd.as_ref())?;
    let described: Vec<String> = listeners.iter().map(listen::Listener::describe).collect();
    let trail = Trail::open(&config.audit, &context.state_dir)
        .doing(|| format!("open the audit trail in {}", config.audit.dir.display()))?;
    trail
        .event("start", json!({ "version": env!("CARGO_PKG_VERSION"), "listen": described }))
        .doing(|| "begin the audit trail".to_owned())?;

    let mut gate = Gate::new(snapshot, store, trail, described.clone())?;
    gate.ssh = server;
    let gate = Arc::new(gate);
    let stop = CancellationToken::new();
    let sockets = upgrade::keep(&listeners)?;
    let lanes = Arc::new(listen::Lanes::open().doing(|| "start the threads".to_owned())?);
    for listener in listeners {
        tokio::spawn(listen::accept(gate.clone(), listener, lanes.clone(), stop.clone()));
    }
    tokio::spawn(admin::server::serve(gate.clone(), admin, stop.clone()));
    tokio::spawn(upkeep(gate.clone()));
    tokio::spawn(watch::run(gate.clone()));
    tokio::spawn(ends(gate.clone()));
    for address in listen::open_to_the_internet(&config, &listen::Interfaces::look()) {
        tracing::warn!(%address, "{}", listen::OPEN_TO_THE_INTERNET);
    }
    for line in &described {
        tracing::info!(listen = %line, upstream = %gate.snapshot.load().engine.describe(), "serving");
    }
    notify(&[NotifyState::Ready]);

    let asked = loop {
        match signals.next().await {
            Asked::Reload => {
                reloading();
                if let Err(error) = gate.reload() {
                    tracing::error!(%error, "reload refused; the old configuration stays in force");
                }
                notify(&[NotifyState::Ready]);
            }
            Asked::Upgrade => match upgrade::would_start(binary, again) {
                Ok(()) => break Asked::Upgrade,
                Err(error) => tracing::error!(%error, "upgrade refused; this version serves on"),
            },
            Asked::Stop => break Asked::Stop,
        }
    };
    match asked {
        // What says it stops is killed when TimeoutStopSec has passed, whatever it became.
        Asked::Upgrade => reloading(),
        Asked::Reload | Asked::Stop => notify(&[NotifyState::Stopping]),
    }
    stop.cancel();
    // Kept sockets go on taking connections for the next binary. Where there will be none, clients
    // must be turned away, not left waiting.
    let stopped = match asked {
        Asked::Upgrade => Stopped::ForUpgrade(sockets),
        Asked::Reload | Asked::Stop => {
            drop(sockets);
            Stopped::ForGood
        }
    };
    drain(&gate, &mut signals).await;
    if let (Some(server), Some(watcher)) = (&gate.ssh, watcher) {
        server.process.stop();
        let _ = watcher.await;
    }
    // An event that cannot be written any more is no reason not to stop.
    drop(gate.trail.event("stop", json!({})));
    gate.trail.close();
    Ok(stopped)
}

/// Lets requests that are under way end, up to `limits.drain`; a second signal cuts them short.
async fn drain(gate: &Gate, signals: &mut Signals) {
    let deadline = gate.snapshot.load().config.limits.drain;
    tracing::info!(connections = gate.admission.total(), "stopping: no new requests");
    gate.draining.cancel();
    let empty = async {
        while gate.admission.total() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = empty => {}
        () = tokio::time::sleep(deadline) => {
            gate.metrics.limit_hit(Limit::Drain);
            tracing::warn!("the drain deadline has passed");
        }
        () = signals.stop_again() => tracing::warn!("told to stop at once"),
    }
    for session in gate.sessions.list() {
        session.end("the gate is stopping");
    }
    // Their outcomes are recorded by their own tasks; that takes no time worth a deadline knob.
    let _ = tokio::time::timeout(Duration::from_secs(2), async {
        while !gate.sessions.list().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Renews the gate's own certificate before it expires, and keeps the latest time seen.
async fn upkeep(gate: Arc<Gate>) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        if let Err(error) = gate.upkeep() {
            tracing::error!(%error, "upkeep failed; it is tried again");
        }
    }
}

/// Judges every session again when a revocation list ends, since nothing says any more that what it
/// was about is not revoked; and when the hours of a role begin or end.
async fn ends(gate: Arc<Gate>) {
    let mut seen = SystemTime::now();
    let mut published = gate.published.subscribe();
    loop {
        let (crl, hours) = gate.snapshot.load().next_ends(seen);
        let next = crl.into_iter().chain(hours).min();
        let now = SystemTime::now();
        let left = next.map(|end| end.duration_since(now).unwrap_or_default());
        if left == Some(Duration::ZERO) {
            if next == crl {
                tracing::warn!("a revocation list has expired");
            }
            gate.judge_all_again();
            seen = now;
            continue;
        }
        tokio::select! {
            // The clock may be set meanwhile.
            () = tokio::time::sleep(left.map_or(MINUTE, |left| left.min(MINUTE))) => {}
            _ = published.changed() => {}
        }
    }
}

enum Asked {
    Reload,
    Stop,
    Upgrade,
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
    upgrade: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let listen = |kind| signal(kind).doing(|| "listen for signals".to_owned());
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            upgrade: listen(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.upgrade.recv() => Asked::Upgrade,
        }
    }

    async fn stop_again(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// `RELOADING=1` counts only with the time at which it was sent (sd_notify(3)).
fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "cannot tell systemd of the reload"),
    }
}

/// Tells systemd, where it asked to be told.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::authenticate::tls::ENROL_ALPN;
    use crate::gate::Of;
    use crate::gate::tests::{DAY, gate};

    #[tokio::test]
    async fn a_drain_that_takes_too_long_counts() {
        let (gate, _dir) = gate("[limits]\ndrain = \"0s\"", Duration::ZERO);
        let config = gate.snapshot.load().config.clone();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut open = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let here = open.local_addr().unwrap();
        let open = gate.admission.admit(&mut open, here, 0, &config).await.unwrap();
        drain(&gate, &mut Signals::listen().unwrap()).await;
        let hits = "seawall_limit_hits_total{limit=\"drain\"} 1\n";
        assert!(gate.metrics.render(&gate).contains(hits));
        drop(open);
    }

    /// The certificate that whoever connects is shown.
    async fn shown(gate: &Gate, address: SocketAddr) -> CertificateDer<'static> {
        let mut roots = RootCertStore::empty();
        let bundle = gate.store().bundle().unwrap();
        for ca in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(ca.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // The one door that needs no certificate of the client.
        config.alpn_protocols = vec![ENROL_ALPN.to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::from(address.ip());
        let tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        tls.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }

    #[tokio::test]
    async fn a_gate_that_runs_renews_its_certificate_and_closes_nothing() {
        // It lives 90 days and is renewed in the last 30.
        let (gate, dir) = gate("", DAY * 61);
        let gate = Arc::new(gate);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let lanes = Arc::new(listen::Lanes::open().unwrap());
        let listener = listen::Listener::Tcp { listener, interface: None, place: 0 };
        tokio::spawn(listen::accept(gate.clone(), listener, lanes, CancellationToken::new()));
        let open = TcpStream::connect(address).await.unwrap();
        let before = shown(&gate, address).await;

        tokio::spawn(upkeep(gate.clone()));
        let renewed = async {
            while shown(&gate, address).await == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), renewed).await.expect("it is renewed");
        let snapshot = gate.snapshot.load();
        let ends = snapshot.expiries.iter().filter(|expiry| expiry.of == Of::Gate);
        let left = ends.map(|expiry| expiry.not_after.duration_since(SystemTime::now()).unwrap());
        assert!(left.max().unwrap() > DAY * 89);
        // A connection that was accepted before is still there.
        let closed = open.try_read(&mut [0]);
        assert!(closed.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
        let record = std::fs::read_to_string(dir.path().join("state/audit/00000001.jsonl"));
        assert!(record.unwrap().contains("server-certificate.renew"));
    }
}
