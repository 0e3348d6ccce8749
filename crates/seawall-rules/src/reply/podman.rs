//! What Podman's own API answers; as [`super::table`].

use super::shape::Hide::*;
use super::shape::Rule::{Each, Fields, Hide};
use super::shape::Shape::{self, Array, Stream};
use super::shape::Whose::Nobody;
use super::shape::{Item, Rule};
use super::table::{CONFIGURATION, HIDDEN, LABELS, MOUNTS, VOLUME_FIELDS, all};
use crate::operation::Operation;

/// The form of an operation's reply; `None` where it holds nothing to edit, or where `admin` alone
/// has the operation, from whom nothing is hidden.
pub(super) fn shape(operation: Operation) -> Option<&'static Shape> {
    use Operation::*;
    match operation {
        ContainerInspectLibpod => Some(&CONTAINER),
        ContainerListLibpod => Some(&CONTAINERS),
        ContainerTopLibpod => Some(&PROCESSES),
        ImageHistoryLibpod => Some(&HISTORY),
        ImageInspectLibpod => Some(&IMAGE),
        ImageListLibpod => Some(&IMAGES),
        NetworkInspectByNameLibpod => Some(&NETWORK),
        NetworkInspectLibpod => Some(&NETWORK),
        NetworkListLibpod => Some(&NETWORKS),
        PodInspectLibpod => Some(&POD),
        PodListLibpod => Some(&PODS),
        PodTopLibpod => Some(&PROCESSES),
        SystemDataUsageLibpod => Some(&DISK_USAGE),
        SystemEventsLibpod => Some(&EVENTS),
        SystemInfoLibpod => Some(&INFO),
        VolumeInspectLibpod => Some(&VOLUME),
        VolumeListLibpod => Some(&VOLUMES),
        _ => None,
    }
}

static CONTAINER: Shape = all(Fields(&[
    ("Args", HIDDEN),
    ("Config", CONFIGURATION),
    ("ConmonPidFile", HIDDEN),
    ("GraphDriver", Fields(&[("Data", HIDDEN)])),
    (
        "HostConfig",
        Fields(&[
            ("Annotations", LABELS),
            ("Binds", Hide(BindSources)),
            ("ContainerIDFile", HIDDEN),
            ("LogConfig", Fields(&[("Config", HIDDEN), ("Path", HIDDEN)])),
            ("Mounts", MOUNTS),
        ]),
    ),
    ("HostnamePath", HIDDEN),
    ("HostsPath", HIDDEN),
    ("Mounts", MOUNTS),
    ("OCIConfigPath", HIDDEN),
    ("PidFile", HIDDEN),
    ("ResolvConfPath", HIDDEN),
    ("State", Fields(&[("ConmonPidFile", HIDDEN), ("Health", HEALTH), ("Healthcheck", HEALTH)])),
    ("StaticDir", HIDDEN),
]));

const HEALTH: Rule = Fields(&[("Log", Each(&Fields(&[("Output", HIDDEN)])))]);

static CONTAINERS: Shape = Array(&all(Fields(&[("Command", Hide(Arguments)), ("Labels", LABELS)])));

/// One after another, where it is asked to go on.
static PROCESSES: Shape = Stream(Item { whose: Nobody, rule: Fields(&[("Processes", HIDDEN)]) });

static IMAGE: Shape = all(Fields(&[
    ("Annotations", LABELS),
    ("Config", CONFIGURATION),
    ("GraphDriver", Fields(&[("Data", HIDDEN)])),
    ("History", Each(&Fields(&[("created_by", HIDDEN)]))),
    ("Labels", LABELS),
]));

static IMAGES: Shape = Array(&all(Fields(&[("Labels", LABELS)])));

/// The commands that were run, with their `ENV` and `ARG`.
static HISTORY: Shape = Array(&all(Fields(&[("CreatedBy", HIDDEN)])));

const NETWORK_FIELDS: Rule =
    Fields(&[("ipam_options", HIDDEN), ("labels", LABELS), ("options", HIDDEN)]);

static NETWORK: Shape = all(NETWORK_FIELDS);

static NETWORKS: Shape = Array(&all(NETWORK_FIELDS));

static VOLUME: Shape = all(VOLUME_FIELDS);

static VOLUMES: Shape = Array(&all(VOLUME_FIELDS));

static POD: Shape = all(Fields(&[
    ("CreateCommand", HIDDEN),
    ("InfraConfig", HIDDEN),
    ("Labels", LABELS),
    ("mounts", HIDDEN),
]));

static PODS: Shape = Array(&all(Fields(&[("Labels", LABELS)])));

/// Its store is in folders of the host.
static INFO: Shape = all(Fields(&[("registries", HIDDEN), ("store", HIDDEN)]));

static DISK_USAGE: Shape = all(Fields(&[("Containers", Each(&Fields(&[("Command", HIDDEN)])))]));

static EVENTS: Shape = Stream(Item {
    whose: Nobody,
    rule: Fields(&[
        ("Action", Hide(ExecCommand)),
        ("Actor", Fields(&[("Attributes", LABELS)])),
        ("status", Hide(ExecCommand)),
    ]),
});
