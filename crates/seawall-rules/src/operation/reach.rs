//! What no role can be given, because whatever it is asked for it gives the host away, or because
//! the gate cannot judge it yet: `admin` alone has it.

use super::{Class, Operation, Route};

const BUILDKIT: &str = "it ends a build by a name that may be anybody's";
const HOST: &str = "it runs or reads as root on the host";
const CLUSTER: &str = "it hands out the whole cluster";
const DRIVERS: &str = "it is for volumes that drivers of the swarm make";
const PODMAN: &str = "what Podman's own API takes there is not judged yet";
const REGISTRY: &str = "it sends a password to any address";

impl Route {
    /// Why no role but `admin` can be given this operation, where that is so; to stand after a
    /// colon.
    pub fn admin_only(&self) -> Option<&'static str> {
        use Operation::*;
        match self.operation {
            _ if self.class == Class::Closed => None,
            BuildCancel => Some(BUILDKIT),
            SystemAuth => Some(REGISTRY),
            CheckpointCreate | CheckpointDelete | CheckpointList | GetPluginPrivileges
            | PluginCreate | PluginDelete | PluginDisable | PluginEnable | PluginPull
            | PluginPush | PluginSet | PluginUpgrade => Some(HOST),
            NodeDelete | NodeUpdate | SwarmInit | SwarmInspect | SwarmJoin | SwarmLeave
            | SwarmUnlock | SwarmUnlockkey | SwarmUpdate => Some(CLUSTER),
            VolumeUpdate => Some(DRIVERS),
            _ if self.is_libpod() && !self.is_open_libpod() => Some(PODMAN),
            _ => None,
        }
    }

    /// Whether a role may have this operation of Podman's own API: it has no body, and looks at
    /// what is there or starts and stops it.
    fn is_open_libpod(&self) -> bool {
        use Operation::*;
        matches!(
            self.operation,
            ContainerChangesLibpod
                | ContainerDeleteLibpod
                | ContainerExistsLibpod
                | ContainerInitLibpod
                | ContainerInspectLibpod
                | ContainerKillLibpod
                | ContainerListLibpod
                | ContainerLogsLibpod
                | ContainerPauseLibpod
                | ContainerRestartLibpod
                | ContainerStartLibpod
                | ContainerStatsLibpod
                | ContainerStopLibpod
                | ContainerTopLibpod
                | ContainerUnpauseLibpod
                | ContainerWaitLibpod
                | ContainersStatsAllLibpod
                | ImageExistsLibpod
                | ImageHistoryLibpod
                | ImageInspectLibpod
                | ImageListLibpod
                | ImageTreeLibpod
                | NetworkExistsLibpod
                | NetworkInspectByNameLibpod
                | NetworkInspectLibpod
                | NetworkListLibpod
                | PodDeleteLibpod
                | PodExistsLibpod
                | PodInspectLibpod
                | PodKillLibpod
                | PodListLibpod
                | PodPauseLibpod
                | PodRestartLibpod
                | PodStartLibpod
                | PodStatsAllLibpod
                | PodStopLibpod
                | PodTopLibpod
                | PodUnpauseLibpod
                | SystemDataUsageLibpod
                | SystemEventsLibpod
                | SystemInfoLibpod
                | SystemPingHeadLibpod
                | SystemPingLibpod
                | SystemVersionLibpod
                | VolumeExistsLibpod
                | VolumeInspectLibpod
                | VolumeListLibpod
        )
    }

    /// Whether it reaches into a container, with all that that may do, so that a role must be for
    /// its identity's own things to have it: of those the gate knows the privileges.
    pub fn own_only(&self) -> bool {
        use Operation::*;
        matches!(
            self.operation,
            ContainerArchive
                | ContainerArchiveInfo
                | ContainerAttach
                | ContainerAttachWebsocket
                | ContainerExec
                | ExecResize
                | ExecStart
                | PutContainerArchive
        )
    }
}
