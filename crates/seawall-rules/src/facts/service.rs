//! Services: containers that the swarm makes, which ask for what containers ask for.

use serde_json::Value;

use super::address::{EPHEMERAL, Port};
use super::escape::*;
use super::schema::{Field, Reader, Schema, Shape, escapes, harmless, judged, schema};
use super::{Ask, attachment, container, mount, resources};

/// `ServiceCreate`.
pub(crate) const SERVICE: Schema = schema(FIELDS).and(without_template);

/// `ServiceUpdate`: the whole of what it is from now on. A client changes what it has read.
pub(crate) const SERVICE_CHANGE: Schema = schema(FIELDS).and(|value, reader| {
    without_template(value, reader);
    hidden(value, reader);
});

const FIELDS: &[Field] = &[
    harmless("EndpointSpec", Shape::Object(&ENDPOINT_SPEC)),
    judged("Labels", Shape::TextMap, container::labels),
    harmless("Mode", Shape::Object(&MODE)),
    harmless("Name", Shape::Text),
    judged("Networks", Shape::List(&attachment::ATTACHMENT), attachment::of_service),
    harmless("RollbackConfig", Shape::Object(&UPDATE)),
    harmless("TaskTemplate", Shape::Object(&TASK)),
    harmless("UpdateConfig", Shape::Object(&UPDATE)),
];

const MODE: Schema = schema(&[
    harmless("Global", Shape::Names),
    harmless("GlobalJob", Shape::Names),
    harmless("Replicated", Shape::Object(&schema(&[harmless("Replicas", Shape::Integer)]))),
    harmless(
        "ReplicatedJob",
        Shape::Object(&schema(&[
            harmless("MaxConcurrent", Shape::Integer),
            harmless("TotalCompletions", Shape::Integer),
        ])),
    ),
]);

const UPDATE: Schema = schema(&[
    harmless("Delay", Shape::Integer),
    // A rollback that follows a failure leads to what was there before it.
    harmless("FailureAction", Shape::Text),
    harmless("MaxFailureRatio", Shape::Number),
    harmless("Monitor", Shape::Integer),
    harmless("Order", Shape::Text),
    harmless("Parallelism", Shape::Integer),
]);

const ENDPOINT_SPEC: Schema =
    schema(&[harmless("Mode", Shape::Text), harmless("Ports", Shape::List(&PORT))]);

const PORT: Schema = schema(&[
    harmless("Name", Shape::Text),
    harmless("Protocol", Shape::Text),
    harmless("PublishMode", Shape::Text),
    harmless("PublishedPort", Shape::Integer),
    harmless("TargetPort", Shape::Integer),
])
.and(|value, reader| {
    let ports = match value.get("PublishedPort").and_then(Value::as_i64).unwrap_or_default() {
        // The swarm chooses from its own range, a node from the kernel's.
        0 if value.get("PublishMode").and_then(Value::as_str) == Some("host") => EPHEMERAL,
        0 => 30_000..=32_767,
        port => u16::try_from(port).map_or(0..=u16::MAX, |port| port..=port),
    };
    // On every address, of every node.
    reader.ask_in("PublishedPort", Ask::Port(Port { address: None, ports }));
});

const TASK: Schema = schema(&[
    harmless("ContainerSpec", Shape::Object(&CONTAINER)),
    harmless("ForceUpdate", Shape::Integer),
    harmless("LogDriver", Shape::Object(&LOG_DRIVER)),
    escapes("NetworkAttachmentSpec", Shape::Object(&ATTACHED), SERVICE_RUNTIME),
    judged("Networks", Shape::List(&attachment::ATTACHMENT), attachment::of_service),
    harmless("Placement", Shape::Object(&PLACEMENT)),
    escapes("PluginSpec", Shape::Object(&PLUGIN_SPEC), SERVICE_RUNTIME),
    harmless("Resources", Shape::Object(&RESOURCES)),
    harmless("RestartPolicy", Shape::Object(&RESTART)),
    judged("Runtime", Shape::Text, |value, reader| {
        if !matches!(value.as_str(), None | Some("" | "container")) {
            reader.escape(SERVICE_RUNTIME, value);
        }
    }),
])
.and(limits);

const CONTAINER: Schema = schema(&[
    harmless("Args", Shape::Texts),
    judged("CapabilityAdd", Shape::Texts, container::capabilities),
    harmless("CapabilityDrop", Shape::Texts),
    harmless("Command", Shape::Texts),
    escapes("Configs", Shape::List(&CONFIG), SWARM_SECRET),
    harmless("DNSConfig", Shape::Object(&DNS)),
    judged("Dir", Shape::Text, container::working_dir),
    harmless("Env", Shape::Texts),
    judged("Groups", Shape::Texts, container::groups),
    harmless("Healthcheck", Shape::Object(&container::HEALTHCHECK)),
    harmless("Hostname", Shape::Text),
    harmless("Hosts", Shape::Texts),
    judged("Image", Shape::Text, container::image),
    harmless("Init", Shape::Truth),
    harmless("Isolation", Shape::Text),
    judged("Labels", Shape::TextMap, container::labels),
    judged("Mounts", Shape::List(&mount::MOUNT), written_by_template),
    judged("OomScoreAdj", Shape::Integer, container::oom_score),
    harmless("OpenStdin", Shape::Truth),
    harmless("Privileges", Shape::Object(&PRIVILEGES)),
    harmless("ReadOnly", Shape::Truth),
    escapes("Secrets", Shape::List(&SECRET), SWARM_SECRET),
    harmless("StopGracePeriod", Shape::Integer),
    harmless("StopSignal", Shape::Text),
    judged("Sysctls", Shape::TextMap, container::sysctls),
    harmless("TTY", Shape::Truth),
    harmless("Ulimits", Shape::List(&resources::ULIMITS)),
    judged("User", Shape::Text, container::user),
]);

const PRIVILEGES: Schema = schema(&[
    harmless(
        "AppArmor",
        Shape::Object(&schema(&[judged("Mode", Shape::Text, |value, reader| {
            only_default(value, reader);
        })])),
    ),
    harmless(
        "CredentialSpec",
        Shape::Object(&schema(&[
            escapes("Config", Shape::Text, CREDENTIAL_SPEC),
            escapes("File", Shape::Text, CREDENTIAL_SPEC),
            escapes("Registry", Shape::Text, CREDENTIAL_SPEC),
        ])),
    ),
    harmless("NoNewPrivileges", Shape::Truth),
    harmless(
        "SELinuxContext",
        Shape::Object(&schema(&[
            escapes("Disable", Shape::Truth, SECURITY_OPT),
            escapes("Level", Shape::Text, SECURITY_OPT),
            escapes("Role", Shape::Text, SECURITY_OPT),
            escapes("Type", Shape::Text, SECURITY_OPT),
            escapes("User", Shape::Text, SECURITY_OPT),
        ])),
    ),
    harmless(
        "Seccomp",
        Shape::Object(&schema(&[
            judged("Mode", Shape::Text, only_default),
            escapes("Profile", Shape::Text, SECURITY_OPT),
        ])),
    ),
]);

fn only_default(value: &Value, reader: &mut Reader) {
    if !matches!(value.as_str(), None | Some("" | "default")) {
        reader.escape(SECURITY_OPT, value);
    }
}

const DNS: Schema = schema(&[
    harmless("Nameservers", Shape::Texts),
    harmless("Options", Shape::Texts),
    harmless("Search", Shape::Texts),
]);

const SECRET: Schema = schema(&[
    harmless("File", Shape::Object(&FILE)),
    harmless("SecretID", Shape::Text),
    harmless("SecretName", Shape::Text),
]);

const CONFIG: Schema = schema(&[
    harmless("ConfigID", Shape::Text),
    harmless("ConfigName", Shape::Text),
    harmless("File", Shape::Object(&FILE)),
    harmless("Runtime", Shape::Names),
]);

const FILE: Schema = schema(&[
    harmless("GID", Shape::Text),
    harmless("Mode", Shape::Integer),
    harmless("Name", Shape::Text),
    harmless("UID", Shape::Text),
]);

const ATTACHED: Schema = schema(&[harmless("ContainerID", Shape::Text)]);

/// The only body of the Engine API whose names begin with small letters.
const PLUGIN_SPEC: Schema = schema(&[
    harmless("disabled", Shape::Truth),
    harmless("env", Shape::Texts),
    harmless("name", Shape::Text),
    harmless(
        "privileges",
        Shape::List(&schema(&[
            harmless("description", Shape::Text),
            harmless("name", Shape::Text),
            harmless("value", Shape::Texts),
        ])),
    ),
    harmless("remote", Shape::Text),
]);

const RESTART: Schema = schema(&[
    harmless("Condition", Shape::Text),
    harmless("Delay", Shape::Integer),
    harmless("MaxAttempts", Shape::Integer),
    harmless("Window", Shape::Integer),
]);

const PLACEMENT: Schema = schema(&[
    harmless("Constraints", Shape::Texts),
    harmless("MaxReplicas", Shape::Integer),
    harmless(
        "Platforms",
        Shape::List(&schema(&[harmless("Architecture", Shape::Text), harmless("OS", Shape::Text)])),
    ),
    harmless(
        "Preferences",
        Shape::List(&schema(&[harmless(
            "Spread",
            Shape::Object(&schema(&[harmless("SpreadDescriptor", Shape::Text)])),
        )])),
    ),
]);

const RESOURCES: Schema = schema(&[
    harmless(
        "Limits",
        Shape::Object(&schema(&[
            escapes("GenericResources", Shape::List(&GENERIC), DEVICE_REQUEST),
            harmless("MemoryBytes", Shape::Integer),
            harmless("NanoCPUs", Shape::Integer),
            harmless("Pids", Shape::Integer),
        ])),
    ),
    harmless("MemorySwappiness", Shape::Integer),
    harmless(
        "Reservations",
        Shape::Object(&schema(&[
            escapes("GenericResources", Shape::List(&GENERIC), DEVICE_REQUEST),
            judged("MemoryBytes", Shape::Integer, |value, reader| {
                if let Some(bytes) = positive(Some(value)) {
                    reader.ask(Ask::Memory(Some(bytes)));
                }
            }),
            judged("NanoCPUs", Shape::Integer, |value, reader| {
                if let Some(nanos) = positive(Some(value)) {
                    reader.ask(Ask::Cpus(Some(nanos)));
                }
            }),
        ])),
    ),
    harmless("SwapBytes", Shape::Integer),
]);

const GENERIC: Schema = schema(&[
    harmless(
        "DiscreteResourceSpec",
        Shape::Object(&schema(&[harmless("Kind", Shape::Text), harmless("Value", Shape::Integer)])),
    ),
    harmless(
        "NamedResourceSpec",
        Shape::Object(&schema(&[harmless("Kind", Shape::Text), harmless("Value", Shape::Text)])),
    ),
]);

fn positive(value: Option<&Value>) -> Option<u64> {
    value.and_then(Value::as_i64).and_then(|number| u64::try_from(number).ok()).filter(|&n| n > 0)
}

/// What each of its containers may take: where the template says nothing, there is no limit.
fn limits(template: &Value, reader: &mut Reader) {
    let limit = |name: &str| {
        let limits = template.get("Resources").and_then(|resources| resources.get("Limits"));
        positive(limits.and_then(|limits| limits.get(name)))
    };
    reader.ask_in("Resources.Limits.MemoryBytes", Ask::Memory(limit("MemoryBytes")));
    reader.ask_in("Resources.Limits.NanoCPUs", Ask::Cpus(limit("NanoCPUs")));
    reader.ask_in("Resources.Limits.Pids", Ask::Pids(limit("Pids")));
}

fn without_template(value: &Value, reader: &mut Reader) {
    if value.get("TaskTemplate").is_none_or(Value::is_null) {
        limits(&Value::Null, reader);
    }
}

/// `TaskTemplate.LogDriver`, and that of a swarm.
pub(super) const LOG_DRIVER: Schema = schema(&[
    judged("Name", Shape::Text, container::log_driver),
    judged("Options", Shape::TextMap, container::log_options),
]);

/// The swarm writes what stands in `{{}}` into a source when a task begins: a label may say `..`.
fn written_by_template(value: &Value, reader: &mut Reader) {
    for (index, mount) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(source) = mount.get("Source").filter(|source| has_template(source)) {
            reader.escape_in(&format!("[{index}].Source"), BIND_PATH, source);
        }
    }
}

fn has_template(text: &Value) -> bool {
    text.as_str().is_some_and(|text| text.contains("{{"))
}

/// What the gate has put in the place of a secret would be written over it.
pub(super) fn hidden(value: &Value, reader: &mut Reader) {
    if holds_hidden(value) {
        reader.ask(Ask::Escape(HIDDEN_VALUE, "`***`".to_owned()));
    }
}

fn holds_hidden(value: &Value) -> bool {
    match value {
        Value::String(text) => text == "***" || text.ends_with("=***"),
        Value::Array(items) => items.iter().any(holds_hidden),
        Value::Object(members) => members.values().any(holds_hidden),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;
