//! The escalation catalogue: everything in a request that gives the host, or somebody else's
//! things, to whoever may send it. Each entry is a rule with a stable id.

use crate::operation::Operation;

/// One entry of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Escape {
    /// The rule that refuses it: `escape.privileged`.
    pub rule: &'static str,
    /// What it does, to stand after "may not".
    pub phrase: &'static str,
}

macro_rules! catalogue {
    ($($name:ident $rule:literal $phrase:literal)*) => {
        $(pub(super) const $name: &Escape = &Escape { rule: $rule, phrase: $phrase };)*

        /// The catalogue, in the order of the documents.
        pub const CATALOGUE: &[&Escape] = &[$($name),*];
    };
}

catalogue! {
    // processes and namespaces
    PRIVILEGED "escape.privileged" "run a privileged container"
    EXEC_PRIVILEGED "escape.exec-privileged" "run a privileged command in a container"
    WORKING_DIR "escape.working-dir" "start in a folder of `/proc`, which may lead to the host"
    HOST_NETWORK "escape.host-network" "use the host's network"
    HOST_PID "escape.host-pid" "use the host's process namespace, or one that is not its own"
    HOST_IPC "escape.host-ipc" "use the host's IPC namespace"
    HOST_UTS "escape.host-uts" "use the host's UTS namespace"
    HOST_USER "escape.host-user" "leave the user namespace"
    HOST_CGROUP "escape.host-cgroup" "use the host's cgroup namespace"
    JOINED "escape.joined-namespace" "join the namespace of another container"
    NETWORK_MODE "escape.network-mode" "use this kind of network"
    CGROUP_PARENT "escape.cgroup-parent" "choose the cgroup, and leave the limits of its own"
    SECURITY_OPT "escape.security-opt" "loosen seccomp, AppArmor or SELinux"
    UNMASKED "escape.unmasked-paths" "unmask what is hidden of `/proc` and `/sys`"
    SYSCTL "escape.sysctl" "set this kernel parameter"
    RUNTIME "escape.runtime" "choose the runtime"
    ANNOTATION "escape.annotation" "give annotations, which drive hooks and runtimes"
    // the host's files and devices
    BIND_PATH "escape.bind-path" "bind a path that is not written in its plain form"
    BIND_OPTION "escape.bind-option" "bind with this option"
    PROPAGATION "escape.bind-propagation" "let mounts travel between the container and the host"
    MOUNT_TYPE "escape.mount-type" "mount something of this type"
    TMPFS_OPTION "escape.tmpfs-option" "mount a tmpfs with this option"
    VOLUMES_FROM "escape.volumes-from" "take over the mounts of another container"
    VOLUME_DRIVER "escape.volume-driver" "choose a volume's driver or its options, which can bind `/`"
    DEVICE_RULE "escape.device-rule" "open classes of devices"
    DEVICE_REQUEST "escape.device-request" "ask a driver for devices, which can inject mounts and hooks"
    BLOCK_IO "escape.block-io" "name the host's block devices"
    STORAGE_OPT "escape.storage-opt" "set this option of the storage driver"
    CHECKPOINT "escape.checkpoint" "start a container from a checkpoint"
    // the host's resources and network
    LOG_DRIVER "escape.log-driver" "send logs by this driver or with this option"
    ULIMIT "escape.ulimit" "set this limit, which takes the host's scheduler"
    REALTIME "escape.realtime" "take real-time CPU"
    OOM "escape.oom" "be spared when the host runs out of memory"
    NETWORK_DRIVER "escape.network-driver" "choose a network's driver or its options"
    SUBNET "escape.subnet" "choose a network's addresses, which can take over routes"
    ENDPOINT "escape.endpoint" "choose how the network sees the container (MAC address, options)"
    IMPORT "escape.image-source" "have the engine fetch or import an image from this source"
    BUILD_FRONTEND "escape.build-frontend" "build by another frontend than the engine's own, which would run as an image"
    BUILD_SOURCE "escape.build-source" "have the engine fetch what is built"
    BUILD_OUTPUT "escape.build-output" "have a build write elsewhere than into an image"
    BUILD_OPTION "escape.build-option" "build with an option that cannot be read"
    BUILDKIT "escape.buildkit" "build by BuildKit without a session of its own, which is where what is built comes from"
    CHANGE "escape.image-change" "change an image by this line"
    // the cluster and its services, and what runs as root beside the engine
    PLUGIN "escape.plugin" "change a plugin, which runs as root on the host"
    SWARM "escape.swarm" "change the swarm or read its keys, which hand out the cluster"
    NODE "escape.node" "change a node of the swarm, which may be made a manager"
    SERVICE_RUNTIME "escape.service-runtime" "run anything but containers as a service"
    SERVICE_NETWORK "escape.service-network" "put a service on a network that the swarm does not know"
    SERVICE_ROLLBACK "escape.service-rollback" "take a service back to what it once was, which is not shown to the gate"
    CREDENTIAL_SPEC "escape.credential-spec" "give a container an account of the host's domain"
    SWARM_SECRET "escape.swarm-secret" "give a service secrets or configs, which may be anybody's"
    SECRET_DRIVER "escape.secret-driver" "have a driver or a template write a secret or config"
    HIDDEN_VALUE "escape.hidden-value" "write back `***`, which stands for what was hidden"
    // others
    LINK "escape.link" "link to another container"
    CONNECT "escape.connect" "connect or disconnect another container"
    NAME "escape.container-name" "give a container a name that could be the id of another"
    LABEL "escape.reserved-label" "set a label that belongs to the gate"
}

/// The entry that an operation is, whatever is asked for with it.
pub(crate) fn of_operation(operation: Operation) -> Option<&'static Escape> {
    use Operation::*;
    match operation {
        CheckpointCreate | CheckpointDelete | CheckpointList => Some(CHECKPOINT),
        GetPluginPrivileges | PluginCreate | PluginDelete | PluginDisable | PluginEnable
        | PluginPull | PluginPush | PluginSet | PluginUpgrade => Some(PLUGIN),
        NodeDelete | NodeUpdate => Some(NODE),
        SwarmInit | SwarmInspect | SwarmJoin | SwarmLeave | SwarmUnlock | SwarmUnlockkey
        | SwarmUpdate => Some(SWARM),
        _ => None,
    }
}
