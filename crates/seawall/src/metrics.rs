//! Counters in Prometheus' text format. Labels come from the route table and from fixed lists
//! only, never from what a client sent.

/// All counters of the gate; cheap to bump from many tasks.
#[derive(Debug, Default)]
pub struct Metrics {}
