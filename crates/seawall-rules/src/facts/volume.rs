//! Volumes.

use super::escape::{MOUNT_TYPE, VOLUME_DRIVER};
use super::schema::{Schema, Shape, escapes, judged, schema};
use super::{container, mount};

/// `VolumeCreate`. The `local` driver mounts whatever its options say, `/` as well.
pub(crate) const VOLUME: Schema = schema(&[
    escapes("ClusterVolumeSpec", Shape::Object(&schema(&[])), MOUNT_TYPE),
    judged("Driver", Shape::Text, mount::driver),
    escapes("DriverOpts", Shape::TextMap, VOLUME_DRIVER),
    judged("Labels", Shape::TextMap, container::labels),
    judged("Name", Shape::Text, |value, reader| {
        if let Some(name) = value.as_str().filter(|name| !name.is_empty()) {
            reader.ask(mount::volume(name));
        }
    }),
]);
