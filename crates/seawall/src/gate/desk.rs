//! What enrolment may touch of the gate.

use std::net::IpAddr;
use std::sync::MutexGuard;

use serde_json::Value;

use super::Gate;
use crate::audit::{CannotRecord, RefusedConnection};
use crate::enrol::server::Desk;
use crate::state::Store;

impl Desk for Gate {
    fn store(&self) -> MutexGuard<'_, Store> {
        Self::store(self)
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
