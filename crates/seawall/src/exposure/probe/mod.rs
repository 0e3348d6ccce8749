//! Looks at addresses from outside, as a stranger: what answers there, over what, and whether it
//! asks who is there.
//!
//! What is sent is `GET /_ping`, and `GET /version` where the first was answered; TLS handshakes
//! without a certificate and with one made up here; TLS hellos that go no further; and an SSH
//! identification. One connection at a time to an address, and nothing that changes anything.

mod hello;
mod http;
mod tls;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use seawall_rules::exposure::address::{Look, Reply, Seen, Target, Tcp, Way, ssh};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cli::report::Error;
use wire::{Dialed, Heard};

/// A look at many targets.
#[derive(Debug)]
pub struct Probe {
    /// How many targets are looked at at one time.
    pub concurrency: usize,
    /// How long to wait for each connection and each answer.
    pub patience: Duration,
}

impl Probe {
    /// Looks at every address of every target, and tells `done` of each target that is through.
    /// What comes back is in the order of the targets.
    ///
    /// # Errors
    /// When no key for a made-up certificate can be made.
    pub async fn look(
        &self,
        targets: Vec<Target>,
        mut done: impl FnMut(&[Look]),
    ) -> Result<Vec<Look>, Error> {
        let stranger = Arc::new(tls::Stranger::new(self.patience)?);
        let places = Arc::new(Semaphore::new(self.concurrency));
        let mut tasks = JoinSet::new();
        for (order, target) in targets.into_iter().enumerate() {
            // INVARIANT: nobody closes the semaphore.
            let place = places.clone().acquire_owned().await.expect("an open semaphore");
            let (stranger, patience) = (stranger.clone(), self.patience);
            tasks.spawn(async move {
                let looks = look_at(&target, &stranger, patience).await;
                drop(place);
                (order, looks)
            });
        }
        let mut looks = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            // INVARIANT: tasks are not cancelled, and what a peer sends makes none panic.
            let (order, of_target) = ended.expect("a look ends");
            done(&of_target);
            looks.push((order, of_target));
        }
        looks.sort_by_key(|(order, _)| *order);
        Ok(looks.into_iter().flat_map(|(_, of_target)| of_target).collect())
    }
}

/// What an address answers to `GET /_ping` in the clear.
///
/// # Errors
/// Why there is no connection.
pub(crate) async fn ping(
    target: &Target,
    address: SocketAddr,
    patience: Duration,
) -> Result<Reply, String> {
    http::ping(target, address, patience).await.map_err(|dialed| match dialed {
        Dialed::Refused => "connection refused".to_owned(),
        Dialed::Failed(why) => why,
    })
}

/// Addresses of one name that are looked at; more are not to be expected of a host.
const MOST_ADDRESSES: usize = 16;

async fn look_at(target: &Target, stranger: &tls::Stranger, patience: Duration) -> Vec<Look> {
    let mut looks = Vec::new();
    for &port in target.ports() {
        let host = target.host.as_str();
        let found = tokio::time::timeout(patience, tokio::net::lookup_host((host, port))).await;
        let mut addresses: Vec<SocketAddr> = match found {
            Ok(Ok(addresses)) => addresses.take(MOST_ADDRESSES).collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        addresses.sort();
        addresses.dedup();
        if addresses.is_empty() {
            let seen = Seen::Unreachable("the name does not resolve".to_owned());
            return vec![Look { target: target.clone(), address: None, seen }];
        }
        for address in addresses {
            let seen = match target.way {
                Way::Ssh => look_for_ssh(address, patience).await,
                Way::Tcp => look_for_api(target, address, stranger, patience).await,
            };
            looks.push(Look { target: target.clone(), address: Some(address), seen });
        }
    }
    looks
}

async fn look_for_ssh(address: SocketAddr, patience: Duration) -> Seen {
    let mut stream = match wire::dial(address, patience).await {
        Ok(stream) => stream,
        Err(dialed) => return not_reached(dialed),
    };
    let read = |bytes: &[u8]| match ssh::read(bytes) {
        ssh::Said::Incomplete => None,
        said => Some(said),
    };
    match wire::ask(&mut stream, ssh::IDENTIFICATION, patience, read).await {
        Heard::Answer(ssh::Said::Both(server)) => Seen::Ssh(server),
        heard => Seen::NotSsh(heard.shown()),
    }
}

async fn look_for_api(
    target: &Target,
    address: SocketAddr,
    stranger: &tls::Stranger,
    patience: Duration,
) -> Seen {
    let plain = match http::ping(target, address, patience).await {
        Ok(reply) => reply,
        Err(dialed) => return not_reached(dialed),
    };
    let mut engine = None;
    if let Reply::Api(_) = plain {
        engine = http::version(target, address, patience).await;
    }
    let versions = hello::versions(target, address, &plain, patience).await;
    let tls = match versions {
        None => None,
        Some(versions) => {
            let (tls, told) = stranger.look(target, address, versions).await;
            engine = engine.or(told);
            Some(tls)
        }
    };
    Seen::Tcp(Tcp { plain, tls, engine })
}

fn not_reached(dialed: Dialed) -> Seen {
    match dialed {
        Dialed::Refused => Seen::Closed,
        Dialed::Failed(why) => Seen::Unreachable(why),
    }
}
