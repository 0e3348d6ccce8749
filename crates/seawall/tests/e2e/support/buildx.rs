//! buildx, the client of BuildKit by `/grpc`. Debian has no package of it, so it is built from its
//! source once, and kept beside the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::client::Docker;

const VERSION: &str = "v0.35.0";

/// Makes `docker buildx` work for this docker command line.
pub(crate) fn install(docker: &Docker) {
    let plugins = docker.config().join("cli-plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    std::os::unix::fs::symlink(program(), plugins.join("docker-buildx")).unwrap();
}

fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("buildx-{VERSION}"));
        let program = dir.join("buildx");
        if !program.exists() {
            let module = format!("github.com/docker/buildx/cmd/buildx@{VERSION}");
            let done = Command::new("go").args(["install", &module]).env("GOBIN", &dir).status();
            assert!(
                done.is_ok_and(|status| status.success()),
                "buildx cannot be built: `go install {module}` needs Go 1.25 or newer \
                 (https://go.dev/dl) and the network, once; or put buildx {VERSION} at {}",
                program.display()
            );
        }
        program
    })
}
