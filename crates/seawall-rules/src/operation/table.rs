//! The closed list of operations, and the one table of their rows.

use super::Route;

macro_rules! operations {
    ($($name:ident)*) => {
        /// An operation of the Engine API, or a prefix that is known in order to be closed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the variants are the Engine API's operation ids")]
        pub enum Operation { $($name),* }

        impl Operation {
            /// Every operation, in the order of [`Self::index`].
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The operation id as the Engine API spells it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

// In the order of the rows; a row out of place, missing or doubled does not compile.
operations! {
    // container
    ContainerCreate ContainerList ContainerPrune ContainerArchive
    ContainerArchiveInfo PutContainerArchive ContainerAttach ContainerAttachWebsocket
    ContainerChanges CheckpointList CheckpointCreate CheckpointDelete ContainerExec
    ContainerExport ContainerInspect ContainerKill ContainerLogs ContainerPause ContainerRename
    ContainerResize ContainerRestart ContainerStart ContainerStats ContainerStop ContainerTop
    ContainerUnpause ContainerUpdate ContainerWait ContainerDelete
    // exec
    ExecInspect ExecResize ExecStart
    // image
    ImageCommit DistributionInspect ImageCreate ImageGetAll ImageList ImageLoad ImagePrune
    ImageSearch ImageDelete ImageAttestations ImageGet ImageHistory ImageInspect ImagePush
    ImageTag
    // build
    ImageBuild BuildCancel BuildPrune Grpc Session
    // volume
    VolumeList VolumeCreate VolumePrune VolumeInspect VolumeUpdate VolumeDelete
    // network
    NetworkList NetworkCreate NetworkPrune NetworkInspect NetworkDelete NetworkConnect
    NetworkDisconnect
    // system
    SystemPing SystemPingHead SystemAuth SystemEvents SystemInfo SystemDataUsage SystemVersion
    Debug
    // plugin
    PluginList PluginCreate GetPluginPrivileges PluginPull PluginDelete PluginDisable
    PluginEnable PluginInspect PluginPush PluginSet PluginUpgrade
    // swarm
    ConfigList ConfigCreate ConfigInspect ConfigDelete ConfigUpdate NodeList NodeInspect
    NodeDelete NodeUpdate SecretList SecretCreate SecretInspect SecretDelete SecretUpdate
    ServiceList ServiceCreate ServiceInspect ServiceDelete ServiceLogs ServiceUpdate
    SwarmInspect SwarmInit SwarmJoin SwarmLeave SwarmUnlock SwarmUnlockkey SwarmUpdate
    TaskList TaskInspect TaskLogs
    // podman: container
    ImageCommitLibpod ContainerCreateLibpod ContainerListLibpod ContainerPruneLibpod
    ContainerShowMountedLibpod ContainersStatsAllLibpod ContainerHealthcheckLibpod
    ContainerDeleteLibpod ContainerArchiveLibpod ContainerArchiveInfoLibpod
    PutContainerArchiveLibpod ContainerAttachLibpod ContainerChangesLibpod
    ContainerCheckpointLibpod ContainerExecLibpod ContainerExistsLibpod
    ContainerExportLibpod ContainerInitLibpod ContainerInspectLibpod ContainerKillLibpod
    ContainerLogsLibpod ContainerMountLibpod ContainerPauseLibpod ContainerRenameLibpod
    ContainerResizeLibpod ContainerRestartLibpod ContainerRestoreLibpod ContainerStartLibpod
    ContainerStatsLibpod ContainerStopLibpod ContainerTopLibpod ContainerUnmountLibpod
    ContainerUnpauseLibpod ContainerUpdateLibpod ContainerWaitLibpod ExecInspectLibpod
    ExecRemoveLibpod ExecResizeLibpod ExecStartLibpod
    // podman: image
    ArtifactAddLibpod ArtifactListLibpod ArtifactLocalLibpod ArtifactPullLibpod
    ArtifactDeleteAllLibpod ArtifactDeleteLibpod ArtifactExtractLibpod ArtifactInspectLibpod
    ArtifactPushLibpod ImageBuildLibpod ImageExportLibpod ImageImportLibpod ImageListLibpod
    ImageLoadLibpod ImagePruneLibpod ImagePullLibpod ImageDeleteAllLibpod ImageScpLibpod
    ImageSearchLibpod ImageDeleteLibpod ImageExistsLibpod ImageGetLibpod ImageHistoryLibpod
    ImageInspectLibpod ImagePushLibpod ImageResolveLibpod ImageTagLibpod ImageTreeLibpod
    ImageUntagLibpod ImageChangesLibpod LocalBuildLibpod LocalImagesLibpod
    ManifestDeleteLibpod ManifestModifyLibpod ManifestExistsLibpod ManifestInspectLibpod
    ManifestCreateLibpod ManifestPushLibpod
    // podman: kube
    GenerateKubeLibpod GenerateSystemdLibpod KubeApplyLibpod KubeGenerateLibpod
    KubePlayDownLibpod KubePlayLibpod PlayKubeDownLibpod PlayKubeLibpod
    QuadletDeleteAllLibpod QuadletInstallLibpod QuadletListLibpod QuadletDeleteLibpod
    QuadletExistsLibpod QuadletFileLibpod
    // podman: network
    NetworkCreateLibpod NetworkListLibpod NetworkPruneLibpod NetworkDeleteLibpod
    NetworkInspectByNameLibpod NetworkConnectLibpod NetworkDisconnectLibpod
    NetworkExistsLibpod NetworkInspectLibpod NetworkUpdateLibpod
    // podman: pod
    PodCreateLibpod PodListLibpod PodPruneLibpod PodStatsAllLibpod PodDeleteLibpod
    PodExistsLibpod PodInspectLibpod PodKillLibpod PodPauseLibpod PodRestartLibpod
    PodStartLibpod PodStopLibpod PodTopLibpod PodUnpauseLibpod
    // podman: secret
    SecretCreateLibpod SecretListLibpod SecretDeleteLibpod SecretExistsLibpod
    SecretInspectLibpod
    // podman: system
    SystemPingLibpod SystemPingHeadLibpod SystemEventsLibpod SystemInfoLibpod
    SystemCheckLibpod SystemDataUsageLibpod SystemPruneLibpod SystemVersionLibpod
    // podman: volume
    VolumeCreateLibpod VolumeListLibpod VolumePruneLibpod VolumeDeleteLibpod
    VolumeExistsLibpod VolumeExportLibpod VolumeImportLibpod VolumeInspectLibpod
}

impl Operation {
    /// Number of operations: the size of a decision table.
    pub const COUNT: usize = Self::ALL.len();

    /// Position in the table, below [`Self::COUNT`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The operation's row.
    pub fn route(self) -> &'static Route {
        &TABLE[self.index()]
    }

    /// The operation of that id.
    pub fn named(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.as_str() == id)
    }
}

static TABLE: [Route; Operation::COUNT] = {
    const RESOURCES: [&[Route]; 17] = [
        super::container::ROWS,
        super::exec::ROWS,
        super::image::ROWS,
        super::build::ROWS,
        super::volume::ROWS,
        super::network::ROWS,
        super::system::ROWS,
        super::plugin::ROWS,
        super::swarm::ROWS,
        super::libpod::container::ROWS,
        super::libpod::image::ROWS,
        super::libpod::kube::ROWS,
        super::libpod::network::ROWS,
        super::libpod::pod::ROWS,
        super::libpod::secret::ROWS,
        super::libpod::system::ROWS,
        super::libpod::volume::ROWS,
    ];
    let mut table = [RESOURCES[0][0]; Operation::COUNT];
    let mut filled = 0;
    let mut resource = 0;
    while resource < RESOURCES.len() {
        let rows = RESOURCES[resource];
        let mut row = 0;
        while row < rows.len() {
            assert!(rows[row].operation as usize == filled, "a row is not in the enum's order");
            table[filled] = rows[row];
            filled += 1;
            row += 1;
        }
        resource += 1;
    }
    assert!(filled == Operation::COUNT, "an operation has no row");
    table
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Operation;
    use crate::head::Method;
    use crate::operation::{BodyKind, Class, Route};

    fn rows() -> impl Iterator<Item = &'static Route> {
        Operation::ALL.iter().map(|operation| operation.route())
    }

    #[test]
    fn every_operation_is_found_by_its_id_and_has_its_own_row() {
        for (index, &operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(operation.index(), index);
            assert_eq!(operation.route().operation, operation);
            assert_eq!(Operation::named(operation.as_str()), Some(operation));
        }
        assert_eq!(Operation::named("ContainerFly"), None);
    }

    #[test]
    fn no_two_rows_share_method_and_template() {
        let mut seen = BTreeSet::new();
        for route in rows() {
            assert!(
                seen.insert((format!("{:?}", route.method), route.template)),
                "{:?} {} twice",
                route.method,
                route.template
            );
        }
    }

    #[test]
    fn rows_of_a_resource_are_sorted_so_that_literals_come_before_placeholders() {
        for pair in Operation::ALL.windows(2) {
            let (a, b) = (pair[0].route(), pair[1].route());
            // Podman's resources are one level below.
            let first = |route: &Route| -> Vec<String> {
                let segments = route.template.trim_start_matches("/libpod").split('/');
                segments.skip(1).take(1).map(str::to_owned).collect()
            };
            if first(a) == first(b) {
                assert!(a.template <= b.template, "{} stands before {}", a.template, b.template);
            }
        }
    }

    #[test]
    fn every_row_is_well_formed() {
        for route in rows() {
            let id = route.operation.as_str();
            assert!(route.template.starts_with('/') && !route.template.ends_with('/'), "{id}");
            let placeholders = route.template.matches('{').count();
            assert!(placeholders <= 2 && placeholders == route.template.matches('}').count());
            assert!(route.template.matches("...}").count() <= 1, "{id}");
            assert!(
                !route.template.contains("**") || route.class == Class::Closed,
                "{id} is open, and anything at all"
            );
            let names: Vec<_> = route.query.iter().map(|key| key.name).collect();
            assert!(names.is_sorted() && names.len() <= 64, "{id}: {names:?}");
            let folded: BTreeSet<_> = names.iter().map(|name| name.to_lowercase()).collect();
            assert_eq!(folded.len(), names.len(), "{id}: keys fold together");
            if matches!(route.method, Method::Get | Method::Head | Method::Delete) {
                assert_eq!(route.body, BodyKind::None, "{id}");
            }
            assert!(route.until.is_none_or(|until| until > route.since), "{id}");
        }
    }

    #[test]
    fn every_phrase_can_stand_after_may_not() {
        for route in rows() {
            let phrase = route.phrase;
            assert!(phrase.starts_with(|c: char| c.is_ascii_lowercase()), "{phrase}");
            assert!(!phrase.ends_with('.') && phrase.contains(' '), "{phrase}");
        }
    }
}
