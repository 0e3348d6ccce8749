//! What enrolment may touch of the gate.

use std::net::IpAddr;
use std::sync::MutexGuard;

use serde_json::Value;

use super::Gate;
use crate::audit::{CannotRecord, RefusedConnection};
use crate::config::EnrolmentLimits;
use crate::enrol::server::Desk;
use crate::enrol::wire::SshDoor;
use crate::metrics::Limit;
use crate::state::Store;

impl Desk for Gate {
    fn limits(&self) -> EnrolmentLimits {
        self.snapshot.load().config.limits.enrolment
    }

    fn limit_hit(&self, limit: Limit) {
        self.metrics.limit_hit(limit);
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        Self::store(self)
    }

    fn ssh(&self) -> Option<SshDoor> {
        let server = self.ssh.as_ref()?;
        let port = self.snapshot.load().config.ssh_port()?;
        Some(SshDoor { port, host_key: server.host_key.clone() })
    }

    fn publish(&self) -> Result<(), String> {
        self.refresh().map_err(|error| error.to_string())
    }

    fn record(&self, what: &'static str, detail: Value) -> Result<(), CannotRecord> {
        self.trail.event(what, detail)
    }

    fn count_stranger(&self, address: IpAddr) {
        self.refused(address, RefusedConnection::Invitation);
    }
}
