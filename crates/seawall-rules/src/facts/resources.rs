//! What a container may take of the host: the fields that `ContainerCreate` has in its
//! `HostConfig` and `ContainerUpdate` at its top.

use serde_json::Value;

use super::Ask;
use super::escape::{BLOCK_IO, CGROUP_PARENT, DEVICE_REQUEST, DEVICE_RULE, OOM, REALTIME, ULIMIT};
use super::schema::{Field, Reader, Schema, Shape, escapes, harmless, judged, schema};
use crate::json::field;

pub(super) const FIELDS: &[Field] = &[
    escapes("BlkioDeviceReadBps", Shape::List(&THROTTLE), BLOCK_IO),
    escapes("BlkioDeviceReadIOps", Shape::List(&THROTTLE), BLOCK_IO),
    escapes("BlkioDeviceWriteBps", Shape::List(&THROTTLE), BLOCK_IO),
    escapes("BlkioDeviceWriteIOps", Shape::List(&THROTTLE), BLOCK_IO),
    harmless("BlkioWeight", Shape::Integer),
    escapes("BlkioWeightDevice", Shape::List(&WEIGHT), BLOCK_IO),
    escapes("CgroupParent", Shape::Text, CGROUP_PARENT),
    // Windows, as `CpuPercent` and `IOMaximum*`.
    harmless("CpuCount", Shape::Integer),
    harmless("CpuPercent", Shape::Integer),
    harmless("CpuPeriod", Shape::Integer),
    harmless("CpuQuota", Shape::Integer),
    escapes("CpuRealtimePeriod", Shape::Integer, REALTIME),
    escapes("CpuRealtimeRuntime", Shape::Integer, REALTIME),
    harmless("CpuShares", Shape::Integer),
    harmless("CpusetCpus", Shape::Text),
    harmless("CpusetMems", Shape::Text),
    escapes("DeviceCgroupRules", Shape::Texts, DEVICE_RULE),
    escapes("DeviceRequests", Shape::List(&REQUEST), DEVICE_REQUEST),
    harmless("Devices", Shape::List(&DEVICE)),
    harmless("DiskQuota", Shape::Integer),
    harmless("IOMaximumBandwidth", Shape::Integer),
    harmless("IOMaximumIOps", Shape::Integer),
    harmless("KernelMemory", Shape::Integer),
    harmless("KernelMemoryTCP", Shape::Integer),
    harmless("Memory", Shape::Integer),
    harmless("MemoryReservation", Shape::Integer),
    harmless("MemorySwap", Shape::Integer),
    harmless("MemorySwappiness", Shape::Integer),
    harmless("NanoCPUs", Shape::Integer),
    harmless("NanoCpus", Shape::Integer),
    escapes("OomKillDisable", Shape::Truth, OOM),
    harmless("PidsLimit", Shape::Integer),
    // What follows is no resource, but both operations have it.
    harmless("RestartPolicy", Shape::Object(&RESTART)),
    harmless("Ulimits", Shape::List(&ULIMITS)),
];

const THROTTLE: Schema = schema(&[harmless("Path", Shape::Text), harmless("Rate", Shape::Integer)]);

const WEIGHT: Schema = schema(&[harmless("Path", Shape::Text), harmless("Weight", Shape::Integer)]);

const REQUEST: Schema = schema(&[
    harmless("Capabilities", Shape::Alternatives),
    harmless("Count", Shape::Integer),
    harmless("DeviceIDs", Shape::Texts),
    harmless("Driver", Shape::Text),
    harmless("Options", Shape::TextMap),
]);

const DEVICE: Schema = schema(&[
    harmless("CgroupPermissions", Shape::Text),
    harmless("PathInContainer", Shape::Text),
    judged("PathOnHost", Shape::Text, |value, reader| {
        reader.ask(Ask::Device(value.as_str().unwrap_or_default().to_owned()));
    }),
]);

const RESTART: Schema =
    schema(&[harmless("MaximumRetryCount", Shape::Integer), harmless("Name", Shape::Text)]);

pub(super) const ULIMITS: Schema = schema(&[
    harmless("Hard", Shape::Integer),
    judged("Name", Shape::Text, |value, reader| {
        if let Some(ask) = ulimit(value) {
            reader.ask(ask);
        }
    }),
    harmless("Soft", Shape::Integer),
]);

/// What a limit of this name asks for.
pub(super) fn ulimit(name: &Value) -> Option<Ask> {
    let name = name.as_str().unwrap_or_default();
    matches!(name, "nice" | "rtprio" | "rttime")
        .then(|| Ask::Escape(ULIMIT, crate::escape::quoted(name.as_bytes())))
}

/// What a new container may take: where it says nothing, there is no limit.
pub(super) fn of_new(value: &Value, reader: &mut Reader) {
    let [memory, cpus, pids] = limits_of_new(value);
    reader.ask_in("Memory", Ask::Memory(memory));
    reader.ask_in("NanoCpus", Ask::Cpus(cpus));
    reader.ask_in("PidsLimit", Ask::Pids(pids));
}

/// Memory, billionths of a CPU and processes of what is made anew; `None` is without limit.
pub(super) fn limits_of_new(value: &Value) -> [Option<u64>; 3] {
    // The kernel's period where none is given is 100 ms.
    limits(value, Some(100_000))
}

/// What an existing one may take from now on: where it says nothing, that stays as it is.
pub(super) fn of_changed(value: &Value, reader: &mut Reader) {
    // Nobody knows the period that a new quota meets, so without one it has no limit.
    let [memory, cpus, pids] = limits(value, None);
    let set = |name: &str| number(value, name).is_some_and(|number| number != 0);
    if set("Memory") {
        reader.ask_in("Memory", Ask::Memory(memory));
    }
    if ["NanoCpus", "CpuQuota", "CpuPeriod"].into_iter().any(set) {
        reader.ask_in("NanoCpus", Ask::Cpus(cpus));
    }
    // The one limit that 0 lifts.
    if number(value, "PidsLimit").is_some() {
        reader.ask_in("PidsLimit", Ask::Pids(pids));
    }
}

/// Memory, billionths of a CPU, processes; `None` is without limit.
fn limits(value: &Value, period: Option<u64>) -> [Option<u64>; 3] {
    let limit = |name: &str| {
        number(value, name)
            .and_then(|number| u64::try_from(number).ok())
            .filter(|&number| number > 0)
    };
    let of_quota = || {
        let quota = limit("CpuQuota")?.saturating_mul(1_000_000_000);
        Some(quota / limit("CpuPeriod").or(period)?)
    };
    [limit("Memory"), limit("NanoCpus").or_else(of_quota), limit("PidsLimit")]
}

/// In whichever spelling it has: older documents have `NanoCPUs`.
fn number(value: &Value, name: &str) -> Option<i64> {
    field(value, name).and_then(Value::as_i64)
}
