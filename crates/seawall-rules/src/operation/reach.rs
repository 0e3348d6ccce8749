//! What no role can be given, because the gate cannot judge it yet: `admin` alone has it.

use super::{BodyKind, Class, Operation, Route};

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
            CheckpointCreate | CheckpointDelete | CheckpointList => Some(HOST),
            BuildCancel | Grpc => Some(BUILDKIT),
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
