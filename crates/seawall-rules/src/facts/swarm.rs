//! The swarm itself, its nodes, and what it keeps for services.

use super::escape::SECRET_DRIVER;
use super::schema::{Field, Schema, Shape, escapes, harmless, judged, schema};
use super::{container, service};

/// `SwarmInit`.
pub(crate) const INIT: Schema = schema(&[
    harmless("AdvertiseAddr", Shape::Text),
    harmless("AutoLockManagers", Shape::Truth),
    harmless("Availability", Shape::Text),
    harmless("DataPathAddr", Shape::Text),
    harmless("DataPathPort", Shape::Integer),
    harmless("DefaultAddrPool", Shape::Texts),
    harmless("ForceNewCluster", Shape::Truth),
    harmless("ListenAddr", Shape::Text),
    harmless("Spec", Shape::Object(&SPEC)),
    harmless("SubnetSize", Shape::Integer),
]);

/// `SwarmJoin`.
pub(crate) const JOIN: Schema = schema(&[
    harmless("AdvertiseAddr", Shape::Text),
    harmless("Availability", Shape::Text),
    harmless("DataPathAddr", Shape::Text),
    harmless("JoinToken", Shape::Text),
    harmless("ListenAddr", Shape::Text),
    harmless("RemoteAddrs", Shape::Texts),
]);

/// `SwarmUnlock`.
pub(crate) const UNLOCK: Schema = schema(&[harmless("UnlockKey", Shape::Text)]);

/// `SwarmUpdate`.
pub(crate) const SPEC: Schema = schema(&[
    harmless("CAConfig", Shape::Object(&AUTHORITY)),
    harmless("Dispatcher", Shape::Object(&DISPATCHER)),
    harmless("EncryptionConfig", Shape::Object(&ENCRYPTION)),
    harmless("Orchestration", Shape::Object(&ORCHESTRATION)),
    harmless("Raft", Shape::Object(&RAFT)),
    harmless("TaskDefaults", Shape::Object(&TASK_DEFAULTS)),
])
.with(ANNOTATIONS);

const AUTHORITY: Schema = schema(&[
    harmless("ExternalCAs", Shape::List(&EXTERNAL)),
    harmless("ForceRotate", Shape::Integer),
    harmless("NodeCertExpiry", Shape::Integer),
    harmless("SigningCACert", Shape::Text),
    harmless("SigningCAKey", Shape::Text),
]);

const EXTERNAL: Schema = schema(&[
    harmless("CACert", Shape::Text),
    harmless("Options", Shape::TextMap),
    harmless("Protocol", Shape::Text),
    harmless("URL", Shape::Text),
]);

const DISPATCHER: Schema = schema(&[harmless("HeartbeatPeriod", Shape::Integer)]);

const ENCRYPTION: Schema = schema(&[harmless("AutoLockManagers", Shape::Truth)]);

const ORCHESTRATION: Schema = schema(&[harmless("TaskHistoryRetentionLimit", Shape::Integer)]);

const RAFT: Schema = schema(&[
    harmless("ElectionTick", Shape::Integer),
    harmless("HeartbeatTick", Shape::Integer),
    harmless("KeepOldSnapshots", Shape::Integer),
    harmless("LogEntriesForSlowFollowers", Shape::Integer),
    harmless("SnapshotInterval", Shape::Integer),
]);

const TASK_DEFAULTS: Schema = schema(&[harmless("LogDriver", Shape::Object(&service::LOG_DRIVER))]);

/// `NodeUpdate`.
pub(crate) const NODE: Schema =
    schema(&[harmless("Availability", Shape::Text), harmless("Role", Shape::Text)])
        .with(ANNOTATIONS);

/// `SecretCreate` and `SecretUpdate`.
pub(crate) const SECRET: Schema = schema(&[
    harmless("Data", Shape::Text),
    escapes("Driver", Shape::Object(&DRIVER), SECRET_DRIVER),
    escapes("Templating", Shape::Object(&DRIVER), SECRET_DRIVER),
])
.with(ANNOTATIONS)
.and(service::hidden);

/// `ConfigCreate` and `ConfigUpdate`.
pub(crate) const CONFIG: Schema = schema(&[
    harmless("Data", Shape::Text),
    escapes("Templating", Shape::Object(&DRIVER), SECRET_DRIVER),
])
.with(ANNOTATIONS)
.and(service::hidden);

const DRIVER: Schema =
    schema(&[harmless("Name", Shape::Text), harmless("Options", Shape::TextMap)]);

/// What everything in a swarm has.
const ANNOTATIONS: &[Field] =
    &[judged("Labels", Shape::TextMap, container::labels), harmless("Name", Shape::Text)];
