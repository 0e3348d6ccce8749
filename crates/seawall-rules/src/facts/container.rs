//! Containers: `ContainerCreate` and what changes or enters one afterwards.

use serde_json::Value;

use super::escape::*;
use super::image::ImageName;
use super::schema::{
    Field, Reader, Schema, Shape, escapes, escapes_even_empty, harmless, judged, schema,
};
use super::{Ask, Fact, Facts, RESERVED_LABELS, address, endpoint, mount, resources};

/// `ContainerCreate`.
pub(crate) const CREATE: Schema = schema(&[
    harmless("HostConfig", Shape::Object(&HOST_CONFIG)),
    harmless("NetworkingConfig", Shape::Object(&NETWORKING)),
    // docker-py; the engine reads it where there is no `HostConfig`.
    escapes("Runtime", Shape::Text, RUNTIME),
])
.with(CONFIG)
.and(|value, reader| {
    // Without a `HostConfig` there is no limit either.
    if value.get("HostConfig").is_none_or(Value::is_null) {
        resources::of_new(&Value::Null, reader);
    }
});

/// `ImageCommit`: the configuration that the image gets.
pub(crate) const COMMIT: Schema = schema(CONFIG);

/// `ContainerUpdate`.
pub(crate) const UPDATE: Schema = schema(resources::FIELDS).and(resources::of_changed);

/// `ContainerExec`.
pub(crate) const EXEC: Schema = schema(&[
    harmless("AttachStderr", Shape::Truth),
    harmless("AttachStdin", Shape::Truth),
    harmless("AttachStdout", Shape::Truth),
    harmless("Cmd", Shape::Words),
    harmless("ConsoleSize", Shape::Integers),
    harmless("Container", Shape::Text),
    harmless("Detach", Shape::Truth),
    harmless("DetachKeys", Shape::Text),
    harmless("Env", Shape::Texts),
    escapes("Privileged", Shape::Truth, EXEC_PRIVILEGED),
    harmless("Tty", Shape::Truth),
    judged("User", Shape::Text, user),
    judged("WorkingDir", Shape::Text, working_dir),
    // docker-py.
    harmless("detachKeys", Shape::Text),
]);

/// `CheckpointCreate`.
pub(crate) const CHECKPOINT_OF: Schema = schema(&[
    harmless("CheckpointDir", Shape::Text),
    harmless("CheckpointID", Shape::Text),
    harmless("Exit", Shape::Truth),
]);

/// `ExecStart`.
pub(crate) const EXEC_START: Schema = schema(&[
    harmless("ConsoleSize", Shape::Integers),
    harmless("Detach", Shape::Truth),
    harmless("Tty", Shape::Truth),
]);

/// What the engine says a container has of the host: what whoever reaches into it has then. Its
/// other settings are the engine's own defaults in many spellings, and give nothing away.
pub(crate) fn of_container(inspect: &Value) -> Vec<Fact> {
    let host = inspect.get("HostConfig");
    let mut has = serde_json::Map::new();
    for name in REACHED {
        if let Some(value) = host.and_then(|host| host.get(*name)) {
            has.insert((*name).to_owned(), value.clone());
        }
    }
    // Where nothing was asked for the engine tells its own list.
    for name in ["MaskedPaths", "ReadonlyPaths"] {
        if let Some(value) = host.and_then(|host| host.get(name))
            && value.as_array().is_some_and(Vec::is_empty)
        {
            has.insert(name.to_owned(), value.clone());
        }
    }
    let mut facts = Facts::default();
    // What the schema does not know nobody has looked at.
    let read = HOST_CONFIG.read(&Value::Object(has), &mut facts);
    if read.is_err() || host.is_none() || !facts.unknown.is_empty() {
        let ask = Ask::Escape(PRIVILEGED, "cannot be told".to_owned());
        return vec![Fact { field: "HostConfig".to_owned(), ask }];
    }
    facts.asks.retain(|fact| {
        matches!(fact.ask, Ask::Bind(..) | Ask::Capability(_) | Ask::Device(_) | Ask::Escape(..))
            // Those it has joined were looked at when it was made.
            && !fact.ask.is_of_another_container()
    });
    for fact in &mut facts.asks {
        fact.field.insert_str(0, "HostConfig.");
    }
    facts.asks
}

/// The fields of `HostConfig` by which a container has something of the host.
const REACHED: &[&str] = &[
    "Binds",
    "CapAdd",
    "DeviceCgroupRules",
    "DeviceRequests",
    "Devices",
    "IpcMode",
    "Mounts",
    "NetworkMode",
    "PidMode",
    "Privileged",
    "SecurityOpt",
    "Sysctls",
    "UTSMode",
    "UsernsMode",
];

/// What an image also has.
const CONFIG: &[Field] = &[
    harmless("ArgsEscaped", Shape::Truth),
    harmless("AttachStderr", Shape::Truth),
    harmless("AttachStdin", Shape::Truth),
    harmless("AttachStdout", Shape::Truth),
    harmless("Cmd", Shape::Words),
    harmless("Domainname", Shape::Text),
    harmless("Entrypoint", Shape::Words),
    harmless("Env", Shape::Texts),
    harmless("ExposedPorts", Shape::Names),
    harmless("Healthcheck", Shape::Object(&HEALTHCHECK)),
    harmless("Hostname", Shape::Text),
    judged("Image", Shape::Text, image),
    judged("Labels", Shape::TextMap, labels),
    escapes("MacAddress", Shape::Text, ENDPOINT),
    harmless("NetworkDisabled", Shape::Truth),
    harmless("OnBuild", Shape::Texts),
    harmless("OpenStdin", Shape::Truth),
    harmless("Shell", Shape::Words),
    harmless("StdinOnce", Shape::Truth),
    harmless("StopSignal", Shape::Text),
    harmless("StopTimeout", Shape::Integer),
    harmless("Tty", Shape::Truth),
    judged("User", Shape::Text, user),
    harmless("Volumes", Shape::Names),
    judged("WorkingDir", Shape::Text, working_dir),
];

pub(super) const HEALTHCHECK: Schema = schema(&[
    harmless("Interval", Shape::Integer),
    harmless("Retries", Shape::Integer),
    harmless("StartInterval", Shape::Integer),
    harmless("StartPeriod", Shape::Integer),
    harmless("Test", Shape::Words),
    harmless("Timeout", Shape::Integer),
]);

const NETWORKING: Schema =
    schema(&[judged("EndpointsConfig", Shape::Map(&endpoint::SETTINGS), |value, reader| {
        for name in value.as_object().into_iter().flat_map(|all| all.keys()) {
            network_mode_in(name, name, reader);
        }
    })]);

const HOST_CONFIG: Schema = schema(&[
    escapes("Annotations", Shape::TextMap, ANNOTATION),
    harmless("AutoRemove", Shape::Truth),
    judged("Binds", Shape::Texts, mount::binds),
    judged("CapAdd", Shape::Words, capabilities),
    harmless("CapDrop", Shape::Words),
    // Of 20.10 only, and never in a release.
    judged("Capabilities", Shape::Texts, capabilities),
    escapes("Cgroup", Shape::Text, JOINED),
    judged("CgroupnsMode", Shape::Text, |value, reader| {
        private_or(value, reader, &["private"], HOST_CGROUP);
    }),
    harmless("ConsoleSize", Shape::Integers),
    harmless("ContainerIDFile", Shape::Text),
    harmless("Dns", Shape::Texts),
    harmless("DnsOptions", Shape::Texts),
    harmless("DnsSearch", Shape::Texts),
    harmless("ExtraHosts", Shape::Texts),
    judged("GroupAdd", Shape::Texts, groups),
    harmless("Init", Shape::Truth),
    judged("IpcMode", Shape::Text, |value, reader| {
        private_or(value, reader, &["none", "private", "shareable"], HOST_IPC);
    }),
    harmless("Isolation", Shape::Text),
    escapes("Links", Shape::Texts, LINK),
    harmless("LogConfig", Shape::Object(&LOG_CONFIG)),
    escapes_even_empty("MaskedPaths", Shape::Texts, UNMASKED),
    harmless("Mounts", Shape::List(&mount::MOUNT)),
    judged("NetworkMode", Shape::Text, |value, reader| {
        network_mode_in("", value.as_str().unwrap_or_default(), reader);
    }),
    judged("OomScoreAdj", Shape::Integer, oom_score),
    judged("PidMode", Shape::Text, |value, reader| {
        private_or(value, reader, &[], HOST_PID);
    }),
    harmless("PortBindings", Shape::ListMap(&address::BINDING)),
    escapes("Privileged", Shape::Truth, PRIVILEGED),
    judged("PublishAllPorts", Shape::Truth, address::publish_all),
    escapes_even_empty("ReadonlyPaths", Shape::Texts, UNMASKED),
    harmless("ReadonlyRootfs", Shape::Truth),
    escapes("Runtime", Shape::Text, RUNTIME),
    judged("SecurityOpt", Shape::Texts, security),
    harmless("ShmSize", Shape::Integer),
    judged("StorageOpt", Shape::TextMap, |value, reader| {
        only_options(value, reader, &["size"], STORAGE_OPT);
    }),
    judged("Sysctls", Shape::TextMap, sysctls),
    judged("Tmpfs", Shape::TextMap, mount::tmpfs),
    judged("UTSMode", Shape::Text, |value, reader| {
        private_or(value, reader, &[], HOST_UTS);
    }),
    judged("UsernsMode", Shape::Text, |value, reader| {
        private_or(value, reader, &[], HOST_USER);
    }),
    judged("VolumeDriver", Shape::Text, mount::driver),
    escapes("VolumesFrom", Shape::Texts, VOLUMES_FROM),
])
.with(resources::FIELDS)
.and(resources::of_new);

/// Kernel parameters that the container's own network namespace has, and that change nothing
/// outside it.
const NAMESPACED: &[&str] = &[
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
];

const LOG_CONFIG: Schema = schema(&[
    judged("Config", Shape::TextMap, log_options),
    judged("Type", Shape::Text, log_driver),
]);

pub(super) fn log_options(value: &Value, reader: &mut Reader) {
    const KNOWN: &[&str] = &[
        "compress",
        "env",
        "env-regex",
        "labels",
        "labels-regex",
        "max-buffer-size",
        "max-file",
        "max-size",
        "mode",
        "tag",
    ];
    only_options(value, reader, KNOWN, LOG_DRIVER);
}

pub(super) fn log_driver(value: &Value, reader: &mut Reader) {
    if !matches!(value.as_str(), None | Some("" | "json-file" | "local" | "none")) {
        reader.escape(LOG_DRIVER, value);
    }
}

pub(super) fn sysctls(value: &Value, reader: &mut Reader) {
    only_options(value, reader, NAMESPACED, SYSCTL);
}

pub(super) fn oom_score(value: &Value, reader: &mut Reader) {
    if value.as_i64().is_some_and(|score| score < 0) {
        reader.escape(OOM, value);
    }
}

pub(super) fn groups(value: &Value, reader: &mut Reader) {
    for (index, group) in value.as_array().into_iter().flatten().enumerate() {
        let group = group.as_str().unwrap_or_default();
        reader.ask_in(&format!("[{index}]"), Ask::User(format!(":{group}")));
    }
}

/// What a container has without asking (moby `DefaultCapabilities`): to ask for it is nothing.
const USUAL_CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The engine takes them in any case, with or without `CAP_`.
pub(super) fn capabilities(value: &Value, reader: &mut Reader) {
    let one = std::slice::from_ref(value);
    let all = value.as_array().map_or(one, Vec::as_slice);
    for (index, written) in all.iter().enumerate() {
        let name = written.as_str().unwrap_or_default().to_ascii_uppercase();
        let name = name.strip_prefix("CAP_").unwrap_or(&name);
        if !name.is_empty() && !USUAL_CAPABILITIES.contains(&name) {
            reader.ask_in(&format!("[{index}]"), Ask::Capability(name.to_owned()));
        }
    }
}

/// A namespace of the container's own, or one of these modes.
fn private_or(value: &Value, reader: &mut Reader, modes: &[&str], host: &'static Escape) {
    let mode = value.as_str().unwrap_or_default();
    if mode.starts_with("container:") {
        reader.escape(JOINED, value);
    } else if !mode.is_empty() && !modes.contains(&mode) {
        reader.escape(host, value);
    }
}

fn network_mode_in(inside: &str, mode: &str, reader: &mut Reader) {
    let Some(ask) = network_mode(mode) else { return };
    if inside.is_empty() { reader.ask(ask) } else { reader.ask_in(inside, ask) }
}

/// What a network mode asks for.
pub(super) fn network_mode(mode: &str) -> Option<Ask> {
    Some(match mode {
        "" | "bridge" | "default" | "none" => return None,
        "host" => Ask::Escape(HOST_NETWORK, "`host`".to_owned()),
        // `container:ID`; Podman also has `ns:PATH` and `slirp4netns:OPTIONS`.
        mode if mode.contains(':') => {
            let escape = if mode.starts_with("container:") { JOINED } else { NETWORK_MODE };
            Ask::Escape(escape, crate::escape::quoted(mode.as_bytes()))
        }
        name => Ask::Network(name.to_owned()),
    })
}

/// Only what tightens; the engine takes `:` for `=` as well.
fn security(value: &Value, reader: &mut Reader) {
    for (index, option) in value.as_array().into_iter().flatten().enumerate() {
        let text = option.as_str().unwrap_or_default().replacen(':', "=", 1);
        let tightens = matches!(
            text.as_str(),
            "apparmor=docker-default"
                | "no-new-privileges"
                | "no-new-privileges=true"
                | "seccomp=builtin"
        );
        if !tightens {
            reader.escape_in(&format!("[{index}]"), SECURITY_OPT, option);
        }
    }
}

fn only_options(value: &Value, reader: &mut Reader, known: &[&str], escape: &'static Escape) {
    for (name, option) in value.as_object().into_iter().flatten() {
        if !known.contains(&name.as_str()) {
            // The value may be a password (`splunk-token`).
            let shown = if option.is_null() { "null" } else { "set" };
            reader.ask_in(name, Ask::Escape(escape, shown.to_owned()));
        }
    }
}

/// Labels that belong to the gate say whose a thing is.
pub(super) fn labels(value: &Value, reader: &mut Reader) {
    for (name, label) in value.as_object().into_iter().flatten() {
        if name.starts_with(RESERVED_LABELS) {
            reader.escape_in(name, LABEL, label);
        }
    }
}

pub(super) fn image(value: &Value, reader: &mut Reader) {
    if let Some(name) = value.as_str().filter(|name| !name.is_empty()) {
        reader.ask(Ask::Image(ImageName::new(name)));
    }
}

pub(super) fn user(value: &Value, reader: &mut Reader) {
    if let Some(user) = value.as_str().filter(|user| !user.is_empty()) {
        reader.ask(Ask::User(user.to_owned()));
    }
}

/// CVE-2024-21626: `/proc/self/fd/N` of the runtime leads to the host.
pub(super) fn working_dir(value: &Value, reader: &mut Reader) {
    if is_in_proc(value.as_str().unwrap_or_default()) {
        reader.escape(WORKING_DIR, value);
    }
}

pub(super) fn is_in_proc(path: &str) -> bool {
    path.split('/').find(|segment| !matches!(*segment, "" | "." | "..")) == Some("proc")
}
