//! What each operation concerns.

use super::{Kind, Reach};
use crate::operation::Operation;

/// What an operation concerns that could be somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing that is anybody's.
    Nothing,
    /// What its path names, and perhaps its body.
    Names {
        /// Of what kind that is.
        kind: Kind,
        /// What is done with it.
        reach: Reach,
    },
    /// All of a kind; its filters can narrow it.
    List(Kind),
    /// What happens to everything; what is not one's own is left out of the reply.
    Events,
    /// All images; likewise.
    Images,
    /// Everything of a kind that is not in use.
    Prunes(Kind),
    /// The images that it names.
    Sees,
    /// What everything takes of the disk; likewise.
    Usage,
    /// Something new, and what its body names.
    Makes(Kind),
    /// A new image of the container that its query names, and perhaps a name for it.
    Commits,
    /// A new image, with the names in its query.
    Builds,
    /// An image that is there for all, or comes for all.
    Pulls,
    /// A name for the image that it names.
    Tags,
    /// A name of an image, or an image with all its names.
    Removes,
    /// Everything, or what the gate does not know the owner of.
    Whole,
}

/// The table.
pub fn scope(operation: Operation) -> Scope {
    use Operation::*;
    let names = |kind, reach| Scope::Names { kind, reach };
    match operation {
        ContainerCreate => Scope::Makes(Kind::Container),
        ContainerList => Scope::List(Kind::Container),
        ContainerArchive
        | ContainerArchiveInfo
        | ContainerAttach
        | ContainerAttachWebsocket
        | ContainerExec
        | PutContainerArchive => names(Kind::Container, Reach::Into),
        ContainerChanges | ContainerDelete | ContainerExport | ContainerInspect | ContainerKill
        | ContainerLogs | ContainerPause | ContainerRename | ContainerResize | ContainerRestart
        | ContainerStart | ContainerStats | ContainerStop | ContainerTop | ContainerUnpause
        | ContainerUpdate | ContainerWait => names(Kind::Container, Reach::Onto),
        ExecInspect | ExecResize => names(Kind::Exec, Reach::Onto),
        ExecStart => names(Kind::Exec, Reach::Into),
        NetworkCreate => Scope::Makes(Kind::Network),
        NetworkList => Scope::List(Kind::Network),
        NetworkConnect | NetworkDelete | NetworkDisconnect | NetworkInspect => {
            names(Kind::Network, Reach::Onto)
        }
        VolumeCreate => Scope::Makes(Kind::Volume),
        VolumeList => Scope::List(Kind::Volume),
        VolumeDelete | VolumeInspect => names(Kind::Volume, Reach::Onto),
        SystemEvents => Scope::Events,
        ImageCommit => Scope::Commits,
        ImageCreate => Scope::Pulls,
        ImageDelete => Scope::Removes,
        ImageBuild => Scope::Builds,
        ImageTag => Scope::Tags,
        ContainerPrune => Scope::Prunes(Kind::Container),
        ImagePrune => Scope::Prunes(Kind::Image),
        NetworkPrune => Scope::Prunes(Kind::Network),
        VolumePrune => Scope::Prunes(Kind::Volume),
        ImageList => Scope::Images,
        ImageAttestations | ImageGet | ImageGetAll | ImageHistory | ImageInspect | ImagePush => {
            Scope::Sees
        }
        SystemDataUsage => Scope::Usage,
        DistributionInspect | Grpc | ImageSearch | Session | SystemInfo | SystemPing
        | SystemPingHead | SystemVersion => Scope::Nothing,
        _ => Scope::Whole,
    }
}
