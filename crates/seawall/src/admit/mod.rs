//! Stage 2: whether a peer may spend any of our time, before a byte of it is read: its address,
//! the limits, and what is remembered of it. Every network door admits here.

mod bans;
mod bucket;
mod proxy;
mod remembered;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use seawall_rules::firewall::ranges::Ranges;
use seawall_rules::network::Source;
use tokio::net::TcpStream;

use crate::audit::RefusedConnection;
use crate::config::{Config, Listen};
use crate::metrics::Limit;
use bans::Bans;

pub use bans::Ban;
pub use bucket::{Bucket, Pace};
pub use remembered::Remembered;

/// Where a connection comes from: judged at accept, and again under every later snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client; behind a balancer, whom its header names.
    pub address: SocketAddr,
    /// The balancer that passed it on.
    pub balancer: Option<IpAddr>,
    /// By which listener it came, the place in `listen`; none where the host's sshd or a Unix
    /// socket took it.
    pub listener: Option<usize>,
}

impl Peer {
    /// One that came by no listener of the network, from this address.
    pub fn from(address: SocketAddr) -> Self {
        Self { address, balancer: None, listener: None }
    }

    /// A client of a Unix socket, which has no address.
    pub fn local() -> Self {
        Self::from(SocketAddr::from(([0, 0, 0, 0], 0)))
    }
}

impl Config {
    /// Whether the networks of the configuration let this peer in.
    pub fn admits(&self, peer: &Peer) -> bool {
        let client = peer.address.ip();
        let by = |place| self.listen.get(place).is_some_and(|listen| self.lets_in(listen, client));
        peer.listener.map_or_else(|| self.networks.admits(client), by)
            && peer.balancer.is_none_or(|balancer| self.balancers.admits(balancer))
    }

    /// Whether a client may come by this listener.
    fn lets_in(&self, listen: &Listen, client: IpAddr) -> bool {
        self.networks.admits(client) && listen.networks().admits(client)
    }

    /// From where somebody may have business with these listeners: one of them lets him in, or he
    /// is a balancer.
    pub fn reached_from(&self, listeners: &[Listen]) -> Ranges {
        let listeners = listeners.iter().filter(|listen| listen.is_network());
        let of_listeners = listeners.clone().flat_map(|listen| listen.networks().prefixes());
        let all = self.networks.prefixes().chain(self.balancers.prefixes()).chain(of_listeners);
        Ranges::of(all, |address| {
            listeners.clone().any(|listen| self.lets_in(listen, address))
                || self.balancers.admits(address)
        })
    }
}

/// Who is connected now and what is remembered of those who were.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Connections open now.
    total: usize,
    /// The same by source.
    open: HashMap<Source, usize>,
    /// What each source may still begin.
    rates: Remembered<Bucket>,
    bans: Bans,
}

/// A peer that is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAdmitted {
    /// Whose doing it is.
    pub address: IpAddr,
    /// Why, for the record.
    pub why: RefusedConnection,
    /// The limit it hit.
    pub limit: Option<Limit>,
}

/// What became of a connection.
#[derive(Debug)]
#[must_use]
pub enum Admit {
    /// It may go on.
    Admitted(Admitted),
    /// A balancer only looked whether anybody answers.
    HealthCheck,
}

/// A peer with a place among the open connections; the place is given back when dropped.
#[derive(Debug)]
#[must_use]
pub struct Admitted {
    /// Where it comes from.
    pub peer: Peer,
    _place: Place,
}

impl Admission {
    /// Admits a connection that came from `accepted` by the listener in this place, under the
    /// configuration in force. Nothing is read from it unless a balancer opened it: then the
    /// header is, and no byte beyond.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    pub async fn admit(
        &self,
        stream: &mut TcpStream,
        accepted: SocketAddr,
        listener: usize,
        config: &Config,
    ) -> Result<Admit, NotAdmitted> {
        let accepted = SocketAddr::new(accepted.ip().to_canonical(), accepted.port());
        let mut peer = Peer { listener: Some(listener), ..Peer::from(accepted) };
        let mut place = None;
        if config.balancers.admits(accepted.ip()) {
            let refused = |why| NotAdmitted { address: accepted.ip(), why, limit: None };
            place = Some(self.take_place(accepted.ip(), config)?);
            let read = tokio::time::timeout(config.limits.handshake, proxy::read(stream));
            peer.address = match read.await {
                Ok(Ok(Some(client))) => client,
                Ok(Ok(None)) => return Ok(Admit::HealthCheck),
                Ok(Err(error)) => {
                    tracing::info!(balancer = %accepted, %error, "a balancer did not say for whom it comes");
                    return Err(refused(RefusedConnection::ProxyHeader));
                }
                Err(_) => {
                    tracing::info!(balancer = %accepted, "a balancer did not say in time for whom it comes");
                    return Err(refused(RefusedConnection::ProxyHeader));
                }
            };
            peer.balancer = Some(accepted.ip());
        }
        self.judge(peer, place, config, Instant::now()).map(Admit::Admitted)
    }

    /// Admits a client that the host's sshd has let in already, from this address.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    pub fn admit_through_sshd(
        &self,
        address: SocketAddr,
        config: &Config,
    ) -> Result<Admitted, NotAdmitted> {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        self.judge(Peer::from(address), None, config, Instant::now())
    }

    /// `place` is the one that it has already, if it has.
    fn judge(
        &self,
        peer: Peer,
        place: Option<Place>,
        config: &Config,
        now: Instant,
    ) -> Result<Admitted, NotAdmitted> {
        let address = peer.address.ip();
        let refused = |why, limit| NotAdmitted { address, why, limit };
        if !config.admits(&peer) {
            return Err(refused(RefusedConnection::Address, None));
        }
        let mut place = match place {
            Some(place) => place,
            None => self.take_place(address, config)?,
        };
        let source = Source::of(address);
        let mut known = self.known();
        if known.bans.holds(source, now) {
            return Err(refused(RefusedConnection::Banned, None));
        }
        let pace = rate(config);
        // Beyond what can be remembered the total alone counts.
        let rate =
            known.rates.of(source, now, Bucket::default, |bucket| bucket.is_empty(pace, now));
        if rate.is_some_and(|bucket| !bucket.take(pace, now)) {
            return Err(refused(RefusedConnection::Limit, Some(Limit::ConnectionRate)));
        }
        let open = known.open.entry(source).or_insert(0);
        if *open >= config.limits.connections_per_address {
            return Err(refused(RefusedConnection::Limit, Some(Limit::ConnectionsPerAddress)));
        }
        *open += 1;
        place.of = Some(source);
        Ok(Admitted { peer, _place: place })
    }

    fn take_place(&self, address: IpAddr, config: &Config) -> Result<Place, NotAdmitted> {
        let mut known = self.known();
        if known.total >= config.limits.connections {
            let (why, limit) = (RefusedConnection::Limit, Some(Limit::Connections));
            return Err(NotAdmitted { address, why, limit });
        }
        known.total += 1;
        Ok(Place { admission: self.clone(), of: None })
    }

    /// Connections open now, authenticated or not.
    pub fn total(&self) -> usize {
        self.known().total
    }

    /// Counts a handshake of `source` that failed; if that was one too many, it is kept out for
    /// the time returned.
    pub fn failed(&self, source: Source, config: &Config) -> Option<Duration> {
        self.known().bans.failed(source, config.bans, Instant::now())
    }

    /// Who is kept out now.
    pub fn bans(&self) -> Vec<Ban> {
        self.known().bans.list(Instant::now())
    }

    /// Lets one source in again, or all of them, and forgets its failures.
    pub fn unban(&self, source: Option<Source>) {
        self.known().bans.lift(source);
    }

    // Nothing panics while holding the lock, and the counts are whole at every moment.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// New connections of one source: five seconds' worth at once.
fn rate(config: &Config) -> Pace {
    let rate = config.limits.connection_rate;
    Pace { size: rate as usize * 5, every: Duration::from_secs(1) / rate.max(1) }
}

/// One of all places.
#[derive(Debug)]
struct Place {
    admission: Admission,
    /// Whose it is, once that is known: one of this source's places too.
    of: Option<Source>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = self.admission.known();
        known.total -= 1;
        let Some(source) = self.of else { return };
        if let Some(open) = known.open.get_mut(&source) {
            *open -= 1;
            if *open == 0 {
                known.open.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests;
