//! Docker's own plugins: buildx, the client of BuildKit by `/grpc`, and Compose 5. Debian has no
//! package of them, so they are built from their sources once, and kept beside the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::client::Docker;

const BUILDX: &str = "v0.35.0";
const COMPOSE: &str = "v5.1.2";

/// Makes `docker buildx` work for this docker command line.
pub(crate) fn install_buildx(docker: &Docker) {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let module = format!("github.com/docker/buildx/cmd/buildx@{BUILDX}");
    let version = format!("-X github.com/docker/buildx/version.Version={BUILDX}");
    install(
        docker,
        "docker-buildx",
        BUILT.get_or_init(|| built("docker-buildx", &module, &version)),
    );
}

/// Makes `docker compose` work for this docker command line.
pub(crate) fn install_compose(docker: &Docker) {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let module = format!("github.com/docker/compose/v5/cmd@{COMPOSE}");
    let version = format!("-X github.com/docker/compose/v5/internal.Version={COMPOSE}");
    let program = BUILT.get_or_init(|| built("docker-compose", &module, &version));
    install(docker, "docker-compose", program);
}

fn install(docker: &Docker, name: &str, program: &Path) {
    let plugins = docker.config().join("cli-plugins");
    fs::create_dir_all(&plugins).unwrap();
    std::os::unix::fs::symlink(program, plugins.join(name)).unwrap();
}

// By way of a module of its own that requires it, since `go install` takes no program whose module
// excludes or replaces others.
fn built(name: &str, module: &str, flags: &str) -> PathBuf {
    let (path, version) = module.split_once('@').unwrap();
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{version}"));
    if !program.exists() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("go.mod"), "module plugin\n").unwrap();
        let go = |args: &[&str]| {
            let status = Command::new("go").args(args).current_dir(dir.path()).status();
            assert!(
                status.is_ok_and(|status| status.success()),
                "{name} cannot be built: that needs Go 1.25 or newer (https://go.dev/dl) and the \
                 network, once; or put {name} {version} at {}",
                program.display()
            );
        };
        go(&["get", module]);
        // Whole or not at all: a build that was interrupted leaves none.
        let whole = dir.path().join("plugin");
        go(&["build", "-ldflags", flags, "-o", whole.to_str().unwrap(), path]);
        fs::copy(&whole, program.with_extension("part")).unwrap();
        fs::rename(program.with_extension("part"), &program).unwrap();
    }
    program
}
