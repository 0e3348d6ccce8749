//! The running whole: one value that every connection shares, and the snapshot a reload swaps.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::audit::Trail;
use crate::authenticate::{Authority, Credential, Ended};
use crate::config::Config;
use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::sessions::Sessions;

/// A running gate.
#[derive(Debug)]
pub struct Gate {
    /// What is in force: configuration and identities, swapped as one. Load it once a request.
    pub snapshot: ArcSwap<Snapshot>,
    /// Who is connected.
    pub sessions: Sessions,
    /// The record.
    pub trail: Trail,
    /// Counters.
    pub metrics: Metrics,
    /// Cancelled when the gate stops taking requests: idle connections close, others after the
    /// exchange they are in.
    pub draining: CancellationToken,
}

/// Configuration and identities at one moment; a request is judged by one snapshot only.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts the snapshots; recorded with every decision.
    pub generation: u64,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// The way to the engine of this configuration.
    pub engine: Arc<Engine>,
}

impl Snapshot {
    /// What a credential may do now.
    ///
    /// # Errors
    /// [`Ended`] when it opens nothing: unknown, revoked, expired, wrong network.
    pub fn authorize(
        &self,
        credential: &Credential,
        peer: std::net::IpAddr,
    ) -> Result<Arc<Authority>, Ended> {
        let _ = (credential, peer);
        Err(Ended("not built yet".to_owned()))
    }
}
