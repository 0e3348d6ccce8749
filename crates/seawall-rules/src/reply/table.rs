//! What each operation answers: where the elements are, whose they are, what is hidden in them.
//!
//! Environment, arguments, labels with telling names, paths of the host, options of drivers and
//! the output of health checks are hidden; names, states, figures, and which program runs are not.

use super::Kind;
use super::shape::Hide::*;
use super::shape::Rule::{Each, Fields, Figure, Hide, Kept, Pass};
use super::shape::Shape::{self, Array, Object, One, Stream};
use super::shape::Whose::{Event, Id, Image, Nobody};
use super::shape::{Item, Rule};
use crate::operation::Operation;

/// The form of an operation's reply; `None` where it holds nothing to edit. What is an error, a
/// file, a progress report or a raw stream has no row.
pub(super) fn shape(operation: Operation) -> Option<&'static Shape> {
    use Operation::*;
    match operation {
        ContainerInspect => Some(&CONTAINER),
        ContainerList => Some(&CONTAINERS),
        ContainerTop => Some(&PROCESSES),
        ExecInspect => Some(&EXEC),
        ImageHistory => Some(&HISTORY),
        ImageInspect => Some(&IMAGE),
        ImageList => Some(&IMAGES),
        NetworkInspect => Some(&NETWORK),
        NetworkList => Some(&NETWORKS),
        VolumeCreate | VolumeInspect => Some(&VOLUME),
        VolumeList => Some(&VOLUMES),
        SystemDataUsage => Some(&DISK_USAGE),
        SystemEvents => Some(&EVENTS),
        SystemInfo => Some(&INFO),
        PluginInspect => Some(&PLUGIN),
        PluginList => Some(&PLUGINS),
        ConfigInspect | SecretInspect => Some(&CONFIG),
        ConfigList | SecretList => Some(&CONFIGS),
        NodeInspect => Some(&NODE),
        NodeList => Some(&NODES),
        ServiceInspect => Some(&SERVICE),
        ServiceList => Some(&SERVICES),
        SwarmInspect => Some(&SWARM),
        SwarmUnlockkey => Some(&UNLOCK_KEY),
        TaskInspect => Some(&TASK),
        TaskList => Some(&TASKS),
        // Ids, warnings and what else a change answers; what a registry says; figures.
        BuildCancel | BuildPrune | CheckpointCreate | CheckpointDelete | CheckpointList
        | ConfigCreate | ConfigDelete | ConfigUpdate | ContainerChanges | ContainerCreate
        | ContainerDelete | ContainerExec | ContainerKill | ContainerPause | ContainerPrune
        | ContainerRename | ContainerResize | ContainerRestart | ContainerStart
        | ContainerStats | ContainerStop | ContainerUnpause | ContainerUpdate | ContainerWait
        | DistributionInspect | ExecResize | GetPluginPrivileges | ImageCommit | ImageDelete
        | ImagePrune | ImageSearch | ImageTag | NetworkConnect | NetworkCreate | NetworkDelete
        | NetworkDisconnect | NetworkPrune | NodeDelete | NodeUpdate | PluginDelete
        | PluginDisable | PluginEnable | PluginSet | SecretCreate | SecretDelete | SecretUpdate
        | ServiceCreate | ServiceDelete | ServiceUpdate | SwarmInit | SwarmJoin | SwarmLeave
        | SwarmUnlock | SwarmUpdate | SystemAuth | SystemPing | SystemPingHead | SystemVersion
        | VolumeDelete | VolumePrune | VolumeUpdate => None,
        // Progress, of work that was asked for by who reads it.
        ImageBuild | ImageCreate | ImageLoad | ImagePush | PluginCreate | PluginPull
        | PluginPush | PluginUpgrade => None,
        // Files, logs and raw streams: what is in them is for who may read them at all.
        ContainerArchive
        | ContainerArchiveInfo
        | ContainerAttach
        | ContainerAttachWebsocket
        | ContainerExport
        | ContainerLogs
        | ExecStart
        | Grpc
        | ImageAttestations
        | ImageGet
        | ImageGetAll
        | PutContainerArchive
        | ServiceLogs
        | Session
        | TaskLogs => None,
        // Closed.
        Debug => None,
        // Podman's own API.
        ArtifactAddLibpod
        | ArtifactDeleteAllLibpod
        | ArtifactDeleteLibpod
        | ArtifactExtractLibpod
        | ArtifactInspectLibpod
        | ArtifactListLibpod
        | ArtifactLocalLibpod
        | ArtifactPullLibpod
        | ArtifactPushLibpod
        | ContainerArchiveInfoLibpod
        | ContainerArchiveLibpod
        | ContainerAttachLibpod
        | ContainerChangesLibpod
        | ContainerCheckpointLibpod
        | ContainerCreateLibpod
        | ContainerDeleteLibpod
        | ContainerExecLibpod
        | ContainerExistsLibpod
        | ContainerExportLibpod
        | ContainerHealthcheckLibpod
        | ContainerInitLibpod
        | ContainerInspectLibpod
        | ContainerKillLibpod
        | ContainerListLibpod
        | ContainerLogsLibpod
        | ContainerMountLibpod
        | ContainerPauseLibpod
        | ContainerPruneLibpod
        | ContainerRenameLibpod
        | ContainerResizeLibpod
        | ContainerRestartLibpod
        | ContainerRestoreLibpod
        | ContainerShowMountedLibpod
        | ContainerStartLibpod
        | ContainerStatsLibpod
        | ContainerStopLibpod
        | ContainerTopLibpod
        | ContainerUnmountLibpod
        | ContainerUnpauseLibpod
        | ContainerUpdateLibpod
        | ContainerWaitLibpod
        | ContainersStatsAllLibpod
        | ExecInspectLibpod
        | ExecRemoveLibpod
        | ExecResizeLibpod
        | ExecStartLibpod
        | GenerateKubeLibpod
        | GenerateSystemdLibpod
        | ImageBuildLibpod
        | ImageChangesLibpod
        | ImageCommitLibpod
        | ImageDeleteAllLibpod
        | ImageDeleteLibpod
        | ImageExistsLibpod
        | ImageExportLibpod
        | ImageGetLibpod
        | ImageHistoryLibpod
        | ImageImportLibpod
        | ImageInspectLibpod
        | ImageListLibpod
        | ImageLoadLibpod
        | ImagePruneLibpod
        | ImagePullLibpod
        | ImagePushLibpod
        | ImageResolveLibpod
        | ImageScpLibpod
        | ImageSearchLibpod
        | ImageTagLibpod
        | ImageTreeLibpod
        | ImageUntagLibpod
        | KubeApplyLibpod
        | KubeGenerateLibpod
        | KubePlayDownLibpod
        | KubePlayLibpod
        | LocalBuildLibpod
        | LocalImagesLibpod
        | ManifestCreateLibpod
        | ManifestDeleteLibpod
        | ManifestExistsLibpod
        | ManifestInspectLibpod
        | ManifestModifyLibpod
        | ManifestPushLibpod
        | NetworkConnectLibpod
        | NetworkCreateLibpod
        | NetworkDeleteLibpod
        | NetworkDisconnectLibpod
        | NetworkExistsLibpod
        | NetworkInspectByNameLibpod
        | NetworkInspectLibpod
        | NetworkListLibpod
        | NetworkPruneLibpod
        | NetworkUpdateLibpod
        | PlayKubeDownLibpod
        | PlayKubeLibpod
        | PodCreateLibpod
        | PodDeleteLibpod
        | PodExistsLibpod
        | PodInspectLibpod
        | PodKillLibpod
        | PodListLibpod
        | PodPauseLibpod
        | PodPruneLibpod
        | PodRestartLibpod
        | PodStartLibpod
        | PodStatsAllLibpod
        | PodStopLibpod
        | PodTopLibpod
        | PodUnpauseLibpod
        | PutContainerArchiveLibpod
        | QuadletDeleteAllLibpod
        | QuadletDeleteLibpod
        | QuadletExistsLibpod
        | QuadletFileLibpod
        | QuadletInstallLibpod
        | QuadletListLibpod
        | SecretCreateLibpod
        | SecretDeleteLibpod
        | SecretExistsLibpod
        | SecretInspectLibpod
        | SecretListLibpod
        | SystemCheckLibpod
        | SystemDataUsageLibpod
        | SystemEventsLibpod
        | SystemInfoLibpod
        | SystemPingHeadLibpod
        | SystemPingLibpod
        | SystemPruneLibpod
        | SystemVersionLibpod
        | VolumeCreateLibpod
        | VolumeDeleteLibpod
        | VolumeExistsLibpod
        | VolumeExportLibpod
        | VolumeImportLibpod
        | VolumeInspectLibpod
        | VolumeListLibpod
        | VolumePruneLibpod => super::podman::shape(operation),
    }
}

/// Of things that cannot be left out.
pub(super) const fn all(rule: Rule) -> Shape {
    One(Item { whose: Nobody, rule })
}

/// Of things of a kind, with the member that has their id.
const fn each(kind: Kind, id: &'static str, rule: Rule) -> Shape {
    One(Item { whose: Id(kind, id), rule })
}

pub(super) const HIDDEN: Rule = Hide(All);
pub(super) const LABELS: Rule = Hide(Labels);
/// Of containers: `Source` is a path of the host; of a volume, where it is mounted there.
pub(super) const MOUNTS: Rule = Each(&Fields(&[
    ("Source", HIDDEN),
    ("VolumeOptions", Fields(&[("Labels", LABELS), ("DriverConfig", DRIVER)])),
]));
const DRIVER: Rule = Fields(&[("Options", HIDDEN)]);
const ENDPOINTS: Rule = Each(&Fields(&[("DriverOpts", HIDDEN)]));

/// Of containers, and of the images that they are made from.
pub(super) const CONFIGURATION: Rule = Fields(&[
    // Podman's, as `CreateCommand`.
    ("Annotations", LABELS),
    ("Cmd", HIDDEN),
    ("CreateCommand", HIDDEN),
    ("Entrypoint", Hide(Arguments)),
    ("Env", Hide(Values)),
    ("Healthcheck", Fields(&[("Test", Hide(Arguments))])),
    ("Labels", LABELS),
    ("OnBuild", HIDDEN),
]);

static CONTAINER: Shape = all(Fields(&[
    ("Args", HIDDEN),
    ("Config", CONFIGURATION),
    ("GraphDriver", Fields(&[("Data", HIDDEN)])),
    (
        "HostConfig",
        Fields(&[
            ("Annotations", LABELS),
            ("Binds", Hide(BindSources)),
            ("ContainerIDFile", HIDDEN),
            ("LogConfig", Fields(&[("Config", HIDDEN)])),
            ("Mounts", MOUNTS),
            ("StorageOpt", HIDDEN),
        ]),
    ),
    ("HostnamePath", HIDDEN),
    ("HostsPath", HIDDEN),
    ("LogPath", HIDDEN),
    ("Mounts", MOUNTS),
    ("NetworkSettings", Fields(&[("Networks", ENDPOINTS)])),
    ("ResolvConfPath", HIDDEN),
    ("State", Fields(&[("Health", Fields(&[("Log", Each(&Fields(&[("Output", HIDDEN)])))]))])),
    ("Storage", HIDDEN),
]));

const CONTAINERS: Shape = Array(&each(
    Kind::Container,
    "Id",
    Fields(&[
        ("Command", Hide(CommandLine)),
        ("HostConfig", Fields(&[("Annotations", LABELS)])),
        ("Labels", LABELS),
        ("Mounts", MOUNTS),
        ("NetworkSettings", Fields(&[("Networks", ENDPOINTS)])),
    ]),
));

/// `ps` can be made to name its columns as one likes, and to show the environment.
static PROCESSES: Shape = all(Fields(&[("Processes", HIDDEN)]));

static EXEC: Shape = all(Fields(&[("ProcessConfig", Fields(&[("arguments", HIDDEN)]))]));

static IMAGE: Shape = all(Fields(&[
    ("Config", CONFIGURATION),
    ("ContainerConfig", CONFIGURATION),
    ("GraphDriver", Fields(&[("Data", HIDDEN)])),
    ("RepoDigests", NAMES),
    ("RepoTags", NAMES),
]));

/// Of an image that has several, those that are not somebody else's.
const NAMES: Rule = Kept(Kind::ImageName);

const IMAGES: Shape = Array(&One(Item {
    whose: Image,
    rule: Fields(&[
        ("Containers", Figure),
        ("Labels", LABELS),
        ("RepoDigests", NAMES),
        ("RepoTags", NAMES),
    ]),
}));

/// `ENV`, `ARG` and the commands that were run with them.
static HISTORY: Shape = Array(&all(Fields(&[("CreatedBy", HIDDEN), ("Tags", NAMES)])));

/// In its `Containers` only those are shown that stay in a list of containers.
const NETWORK_FIELDS: Rule = Fields(&[
    ("Containers", Kept(Kind::Container)),
    ("IPAM", DRIVER),
    ("Labels", LABELS),
    ("Options", HIDDEN),
]);

static NETWORK: Shape = all(NETWORK_FIELDS);

static NETWORKS: Shape = Array(&each(Kind::Network, "Id", NETWORK_FIELDS));

pub(super) const VOLUME_FIELDS: Rule = Fields(&[
    ("ClusterVolume", HIDDEN),
    ("Labels", LABELS),
    ("Mountpoint", HIDDEN),
    ("Options", HIDDEN),
    ("Status", HIDDEN),
]);

static VOLUME: Shape = all(VOLUME_FIELDS);

static VOLUMES: Shape = Object(&[
    ("Volumes", Array(&each(Kind::Volume, "Name", VOLUME_FIELDS))),
    ("Warnings", all(Pass)),
]);

/// The steps of builds are described by their command lines.
const BUILD_CACHE: Shape = Array(&each(Kind::BuildCache, "ID", Fields(&[("Description", HIDDEN)])));

/// Up to API 1.52 the first six, from 1.52 on the others.
static DISK_USAGE: Shape = Object(&[
    ("BuildCache", BUILD_CACHE),
    ("BuilderSize", FIGURE),
    ("Containers", CONTAINERS),
    ("Images", IMAGES),
    ("LayersSize", FIGURE),
    ("Volumes", VOLUMES_IN_USE),
    ("BuildCacheUsage", Object(&[("Items", BUILD_CACHE), ACTIVE, RECLAIMABLE, TOTAL, SIZE])),
    ("ContainerUsage", Object(&[("Items", CONTAINERS), ACTIVE, RECLAIMABLE, TOTAL, SIZE])),
    ("ImageUsage", Object(&[("Items", IMAGES), ACTIVE, RECLAIMABLE, TOTAL, SIZE])),
    ("VolumeUsage", Object(&[("Items", VOLUMES_IN_USE), ACTIVE, RECLAIMABLE, TOTAL, SIZE])),
]);

const FIGURE: Shape = all(Figure);
const ACTIVE: (&str, Shape) = ("ActiveCount", FIGURE);
const RECLAIMABLE: (&str, Shape) = ("Reclaimable", FIGURE);
const TOTAL: (&str, Shape) = ("TotalCount", FIGURE);
const SIZE: (&str, Shape) = ("TotalSize", FIGURE);
const VOLUMES_IN_USE: Shape = Array(&each(Kind::Volume, "Name", VOLUME_FIELDS));

/// An event's attributes are the labels of what it is about, and some more.
static EVENTS: Shape = Stream(Item {
    whose: Event,
    rule: Fields(&[
        ("Action", Hide(ExecCommand)),
        ("Actor", Fields(&[("Attributes", LABELS)])),
        ("status", Hide(ExecCommand)),
    ]),
});

static INFO: Shape = all(Fields(&[
    ("HttpProxy", Hide(UserInfo)),
    ("HttpsProxy", Hide(UserInfo)),
    ("Labels", LABELS),
    (
        "RegistryConfig",
        Fields(&[
            ("IndexConfigs", Each(&Fields(&[("Mirrors", Each(&Hide(UserInfo)))]))),
            ("Mirrors", Each(&Hide(UserInfo))),
        ]),
    ),
    ("Swarm", Fields(&[("Cluster", CLUSTER)])),
]));

const PLUGIN_FIELDS: Rule = Fields(&[
    (
        "Config",
        Fields(&[
            ("Args", Fields(&[("Value", HIDDEN)])),
            ("Entrypoint", Hide(Arguments)),
            ("Env", Each(&Fields(&[("Value", HIDDEN)]))),
            ("Mounts", MOUNTS),
        ]),
    ),
    ("Settings", Fields(&[("Args", HIDDEN), ("Env", Hide(Values)), ("Mounts", MOUNTS)])),
]);

static PLUGIN: Shape = all(PLUGIN_FIELDS);

static PLUGINS: Shape = Array(&all(PLUGIN_FIELDS));

const CONFIG_FIELDS: Rule = Fields(&[(
    "Spec",
    Fields(&[("Data", HIDDEN), ("Driver", DRIVER), ("Labels", LABELS), ("Templating", DRIVER)]),
)]);

static CONFIG: Shape = all(CONFIG_FIELDS);

static CONFIGS: Shape = Array(&all(CONFIG_FIELDS));

const NODE_FIELDS: Rule = Fields(&[
    ("Description", Fields(&[("Engine", Fields(&[("Labels", LABELS)]))])),
    ("Spec", Fields(&[("Labels", LABELS)])),
]);

static NODE: Shape = all(NODE_FIELDS);

static NODES: Shape = Array(&all(NODE_FIELDS));

const TASK_SPEC: Rule = Fields(&[
    (
        "ContainerSpec",
        Fields(&[
            ("Args", HIDDEN),
            ("Command", Hide(Arguments)),
            ("Env", Hide(Values)),
            ("Healthcheck", Fields(&[("Test", Hide(Arguments))])),
            ("Labels", LABELS),
            ("Mounts", MOUNTS),
        ]),
    ),
    ("LogDriver", DRIVER),
    ("Networks", ENDPOINTS),
    ("PluginSpec", Fields(&[("Env", Hide(Values))])),
]);

const SERVICE_SPEC: Rule =
    Fields(&[("Labels", LABELS), ("Networks", ENDPOINTS), ("TaskTemplate", TASK_SPEC)]);

const SERVICE_FIELDS: Rule = Fields(&[("PreviousSpec", SERVICE_SPEC), ("Spec", SERVICE_SPEC)]);

static SERVICE: Shape = all(SERVICE_FIELDS);

static SERVICES: Shape = Array(&all(SERVICE_FIELDS));

const TASK_FIELDS: Rule = Fields(&[("Labels", LABELS), ("Spec", TASK_SPEC)]);

static TASK: Shape = all(TASK_FIELDS);

static TASKS: Shape = Array(&all(TASK_FIELDS));

const CLUSTER: Rule = Fields(&[
    ("JoinTokens", HIDDEN),
    (
        "Spec",
        Fields(&[
            ("CAConfig", HIDDEN),
            ("Labels", LABELS),
            ("TaskDefaults", Fields(&[("LogDriver", DRIVER)])),
        ]),
    ),
]);

static SWARM: Shape = all(CLUSTER);

static UNLOCK_KEY: Shape = all(Fields(&[("UnlockKey", HIDDEN)]));
