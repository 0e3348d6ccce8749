//! Volumes.

use super::escape::{MOUNT_TYPE, VOLUME_DRIVER};
use super::schema::{Schema, Shape, escapes, harmless, judged, schema};
use super::{container, mount};

/// `VolumeCreate`. The `local` driver mounts whatever its options say, `/` as well.
pub(crate) const VOLUME: Schema = schema(&[
    escapes("ClusterVolumeSpec", Shape::Object(&CLUSTER), MOUNT_TYPE),
    judged("Driver", Shape::Text, mount::driver),
    escapes("DriverOpts", Shape::TextMap, VOLUME_DRIVER),
    judged("Labels", Shape::TextMap, container::labels),
    judged("Name", Shape::Text, |value, reader| {
        if let Some(name) = value.as_str().filter(|name| !name.is_empty()) {
            reader.ask(mount::volume(name));
        }
    }),
]);

/// `VolumeUpdate`: there is nothing to change but what a driver of the cluster makes.
pub(crate) const VOLUME_CHANGE: Schema =
    schema(&[escapes("Spec", Shape::Object(&CLUSTER), MOUNT_TYPE)]);

const CLUSTER: Schema = schema(&[
    harmless("AccessMode", Shape::Object(&ACCESS)),
    harmless("AccessibilityRequirements", Shape::Object(&TOPOLOGY)),
    harmless("Availability", Shape::Text),
    harmless("CapacityRange", Shape::Object(&CAPACITY)),
    harmless("Group", Shape::Text),
    harmless("Secrets", Shape::List(&SECRET)),
]);

const ACCESS: Schema = schema(&[
    harmless("BlockVolume", Shape::Names),
    harmless(
        "MountVolume",
        Shape::Object(&schema(&[
            harmless("FsType", Shape::Text),
            harmless("MountFlags", Shape::Texts),
        ])),
    ),
    harmless("Scope", Shape::Text),
    harmless("Sharing", Shape::Text),
]);

const TOPOLOGY: Schema = schema(&[
    harmless("Preferred", Shape::List(&SEGMENTS)),
    harmless("Requisite", Shape::List(&SEGMENTS)),
]);

const SEGMENTS: Schema = schema(&[harmless("Segments", Shape::TextMap)]);

const CAPACITY: Schema =
    schema(&[harmless("LimitBytes", Shape::Integer), harmless("RequiredBytes", Shape::Integer)]);

const SECRET: Schema = schema(&[harmless("Key", Shape::Text), harmless("Secret", Shape::Text)]);
