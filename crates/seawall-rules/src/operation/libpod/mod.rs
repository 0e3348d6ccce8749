//! Podman's own API, which stands beside the Engine API below `/libpod/`. The ids are those of its
//! documents, with `Libpod` behind the few that have it not.
//!
//! Query keys are spelled as there, and taken in any case, as by Podman.

pub(super) mod container;
pub(super) mod image;
pub(super) mod kube;
pub(super) mod network;
pub(super) mod pod;
pub(super) mod secret;
pub(super) mod system;
pub(super) mod volume;
