//! What no role can be given, because the gate cannot judge it yet: `admin` alone has it.

use super::{BodyKind, Class, Operation, Route};

const OTHERS: &str = "it reaches into a container whose own privileges are not looked at yet";
const FILES: &str = "it reads or writes what the container has of the host";
const BUILDKIT: &str = "what passes through it is not judged yet";
const HOST: &str = "it runs or reads as root on the host";
const CLUSTER: &str = "it is the whole cluster's";
const REGISTRY: &str = "it sends a password to any address";
const BODY: &str = "what it takes is not judged yet";

impl Route {
    /// Why no role but `admin` can be given this operation, where that is so; to stand after a
    /// colon.
    pub fn admin_only(&self) -> Option<&'static str> {
        use Operation::*;
        let first = self.template.split('/').nth(1).unwrap_or_default();
        match self.operation {
            _ if self.class == Class::Closed => None,
            ContainerArchive | ContainerArchiveInfo | PutContainerArchive => Some(FILES),
            ContainerAttach | ContainerAttachWebsocket | ContainerExec | ExecResize | ExecStart => {
                Some(OTHERS)
            }
            CheckpointCreate | CheckpointDelete | CheckpointList => Some(HOST),
            BuildCancel | Grpc | Session => Some(BUILDKIT),
            SystemAuth => Some(REGISTRY),
            _ if first == "plugins" => Some(HOST),
            _ if matches!(
                first,
                "configs" | "nodes" | "secrets" | "services" | "swarm" | "tasks"
            ) =>
            {
                Some(CLUSTER)
            }
            _ if self.schema.is_none()
                && matches!(self.body, BodyKind::Json | BodyKind::OptionalJson) =>
            {
                Some(BODY)
            }
            _ => None,
        }
    }
}
