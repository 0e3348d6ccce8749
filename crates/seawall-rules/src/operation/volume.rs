//! Volumes.

use super::Operation::*;
use super::route::{Class, Route, delete, get, key, post, put};
use crate::facts;

pub(super) const ROWS: &[Route] = &[
    get(VolumeList, "/volumes", Class::Metadata, "list volumes").query(&[key("filters")]),
    post(VolumeCreate, "/volumes/create", Class::Host, "create a volume")
        .optional_json(&facts::VOLUME)
        .streams(),
    post(VolumePrune, "/volumes/prune", Class::Admin, "prune volumes")
        .since(25)
        .streams()
        .query(&[key("filters")]),
    get(VolumeInspect, "/volumes/{id}", Class::Metadata, "inspect a volume"),
    put(VolumeUpdate, "/volumes/{id}", Class::Admin, "change a cluster volume")
        .since(42)
        .optional_json(&facts::VOLUME_CHANGE)
        .query(&[key("version")]),
    delete(VolumeDelete, "/volumes/{id}", Class::Change, "remove a volume").query(&[key("force")]),
];
