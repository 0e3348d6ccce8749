//! Images in and out, and building them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

use crate::support::client::{Docker, Side, fresh};
use crate::support::gate::Gate;
use crate::support::on_every_side;
use crate::support::through_sshd;

on_every_side!(
    an_image_is_tagged_and_removed,
    a_container_is_exported_and_imported,
    an_image_is_saved_and_loaded,
    several_images_are_saved_at_once,
    a_container_is_committed,
    the_classic_builder_builds,
    the_classic_builder_reads_a_context_from_standard_input,
    a_failing_build_says_where,
    buildkit_builds,
    a_pull_from_a_registry_that_is_not_there_says_so,
    images_of_a_label_are_pruned,
    a_gigabyte_passes_import_save_and_load_byte_for_byte,
);

through_sshd!(
    the_classic_builder_builds,
    buildkit_builds,
    a_gigabyte_passes_import_save_and_load_byte_for_byte,
);

fn an_image_is_tagged_and_removed(side: Side) {
    for docker in side.dockers() {
        let tag = format!("shop/{}:1.0", fresh("tag"));
        docker.run(["tag", "busybox", &tag]).ok();
        assert!(docker.run(["rmi", &tag]).ok().contains("Untagged"));
        docker.run(["image", "inspect", &tag]).fails();
    }
}

fn a_container_is_exported_and_imported(side: Side) {
    for docker in side.dockers() {
        let script = "echo kept >/kept; sleep 1000";
        let container = docker.container("export", ["busybox", "sh", "-c", script]);
        let written = "until [ -s /kept ]; do sleep 0.05; done";
        docker.run(["exec", &container.name, "sh", "-c", written]).ok();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("root.tar");
        docker.run(["export", "-o", file.to_str().unwrap(), &container.name]).ok();
        let image = fresh("imported");
        docker.run(["import", "-c", "ENV A=b", file.to_str().unwrap(), &image]).ok();
        let read = docker.run(["run", "--rm", &image, "/bin/sh", "-c", "cat /kept; echo $A"]);
        assert_eq!(read.ok(), "kept\nb");
        docker.run(["rmi", &image]).ok();
    }
}

fn an_image_is_saved_and_loaded(side: Side) {
    for docker in side.dockers() {
        let image = built(&docker, "saved");
        let id = docker.run(["image", "inspect", &image, "--format", "{{.Id}}"]).ok();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("image.tar");
        docker.run(["save", "-o", file.to_str().unwrap(), &image]).ok();
        docker.run(["rmi", &image]).ok();
        let loaded = docker.run(["load", "-i", file.to_str().unwrap()]).ok();
        assert!(loaded.contains(&format!("Loaded image: {image}")), "{loaded}");
        let again = docker.run(["image", "inspect", &image, "--format", "{{.Id}}"]).ok();
        assert_eq!(again, id);
        docker.run(["rmi", &image]).ok();
    }
}

fn several_images_are_saved_at_once(side: Side) {
    let docker = side.docker();
    let images = [built(&docker, "one"), built(&docker, "two")];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("images.tar");
    docker.run(["save", "-o", file.to_str().unwrap(), &images[0], &images[1]]).ok();
    docker.run(["rmi", &images[0], &images[1]]).ok();
    let loaded = docker.run(["load", "-i", file.to_str().unwrap()]).ok();
    assert!(images.iter().all(|image| loaded.contains(image)), "{loaded}");
    docker.run(["rmi", &images[0], &images[1]]).ok();
}

fn a_container_is_committed(side: Side) {
    for docker in side.dockers() {
        let container = docker.idle_container("commit");
        docker.run(["exec", &container.name, "touch", "/made"]).ok();
        let image = fresh("committed");
        let commit = ["commit", "-m", "with a file", "-c", "ENV A=b", &container.name, &image];
        docker.run(commit).ok();
        let seen = docker.run(["run", "--rm", &image, "sh", "-c", "ls /made; echo $A"]).ok();
        assert_eq!(seen, "/made\nb");
        docker.run(["rmi", &image]).ok();
    }
}

const DOCKERFILE: &str = "FROM busybox\nARG WHO\nCOPY greeting /greeting\n\
     RUN echo \"$(cat /greeting) $WHO\" >/said\nCMD [\"cat\", \"/said\"]\n";

fn context(dockerfile: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Dockerfile"), dockerfile).unwrap();
    std::fs::write(dir.path().join("greeting"), "hello").unwrap();
    dir
}

fn the_classic_builder_builds(side: Side) {
    for docker in side.dockers() {
        let (dir, image) = (context(DOCKERFILE), fresh("classic"));
        let dir = dir.path().to_str().unwrap();
        // Not of the cache, whose images others of these tests remove.
        let build = ["build", "--no-cache", "--build-arg", "WHO=sailor", "-t", &image, dir];
        let done = docker.run(build);
        assert!(done.ok().contains("Successfully built"));
        assert_eq!(docker.run(["run", "--rm", &image]).ok(), "hello sailor");
        docker.run(["rmi", &image]).ok();
    }
}

fn the_classic_builder_reads_a_context_from_standard_input(side: Side) {
    for docker in side.dockers() {
        let image = fresh("from-stdin");
        let build = ["build", "--no-cache", "-t", &image, "-"];
        let built = docker.run_with(build, b"FROM busybox\nLABEL a=b\n");
        assert!(built.ok().contains("Successfully built"));
        docker.run(["rmi", &image]).ok();
    }
}

fn a_failing_build_says_where(side: Side) {
    for docker in side.dockers() {
        let dir = context("FROM busybox\nRUN echo so far; exit 3\n");
        let done = docker.run(["build", "--no-cache", dir.path().to_str().unwrap()]);
        assert!(done.stdout.contains("so far"), "{done}");
        let (_, said) = done.fails();
        assert!(said.contains("returned a non-zero code: 3"), "{said}");
    }
}

/// Its client opens `/session`, on which the engine then speaks first, and asks for the build
/// beside it.
fn buildkit_builds(side: Side) {
    let with_buildkit: Vec<_> = side.dockers().filter(Docker::has_buildkit_built_in).collect();
    for docker in &with_buildkit {
        let (dir, image) = (context(DOCKERFILE), fresh("buildkit"));
        let mut command = docker.command(["build", "--progress", "plain", "--build-arg"]);
        command.args(["WHO=captain", "-t", &image]).arg(dir.path()).env("DOCKER_BUILDKIT", "1");
        let done = crate::support::process::Running::start(command).wait();
        assert!(done.stderr.contains("load build context"), "{done}");
        done.ok();
        assert_eq!(docker.run(["run", "--rm", &image]).ok(), "hello captain");
        docker.run(["rmi", &image]).ok();
        docker.run(["builder", "prune", "-f"]).ok();
    }
    assert!(
        !with_buildkit.is_empty(),
        "Debian 12's docker command line is needed: it has BuildKit"
    );
}

fn a_pull_from_a_registry_that_is_not_there_says_so(side: Side) {
    for docker in side.dockers() {
        // Port 1 of the engine's own loopback; nothing listens there.
        let (_, said) = docker.run(["pull", "127.0.0.1:1/shop/app:1"]).fails();
        assert!(said.contains("connection refused"), "{said}");
        let (_, said) = docker.run(["push", "127.0.0.1:1/shop/app:1"]).fails();
        assert!(said.contains("does not exist locally"), "{said}");
    }
}

fn images_of_a_label_are_pruned(side: Side) {
    let docker = side.docker();
    let label = fresh("pruned-image");
    let dockerfile = format!("FROM busybox\nLABEL {label}=1\n");
    docker.run_with(["build", "-t", &label, "-"], dockerfile.as_bytes()).ok();
    let with = format!("label={label}");
    let pruned = docker.run(["image", "prune", "-a", "-f", "--filter", &with]).ok();
    assert!(pruned.contains(&label), "{pruned}");
}

fn a_gigabyte_passes_import_save_and_load_byte_for_byte(side: Side) {
    let docker = side.docker();
    let image = format!("{}:latest", fresh("gigabyte"));
    let id = || docker.run(["image", "inspect", &image, "--format", "{{.Id}}"]).ok();
    let mut import = docker.open(["import", "-", &image]);
    let mut sent = Gigabyte::default();
    let mut tar = tar::Builder::new(import.stdin.take().unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(GIGABYTE);
    tar.append_data(&mut header, "large", &mut sent).unwrap();
    drop(tar.into_inner().unwrap());
    import.wait().ok();
    let (sent, imported) = (sent.hash.finish(), id());

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image.tar");
    docker.run(["save", "-o", file.to_str().unwrap(), &image]).ok();
    assert_eq!(hash_of_the_layers_file(&file), sent.as_ref());
    docker.run(["rmi", &image]).ok();
    docker.run(["load", "-i", file.to_str().unwrap()]).ok();
    // The id is the hash of the configuration, which holds the hash of the layer, which the
    // engine has checked.
    assert_eq!(id(), imported);
    docker.run(["rmi", &image]).ok();
    if side == Side::Gate {
        let peak = Gate::shared().peak_memory();
        assert!(peak < 200 << 20, "the gate buffered {peak} bytes");
    }
}

const GIGABYTE: u64 = 1 << 30;

/// A gigabyte in which no two blocks are alike, hashed as it is read.
struct Gigabyte {
    hash: Context,
    left: u64,
}

impl Default for Gigabyte {
    fn default() -> Self {
        Self { hash: Context::new(&SHA256), left: GIGABYTE }
    }
}

impl Read for Gigabyte {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = buffer.len().min(usize::try_from(self.left).unwrap());
        for (at, word) in buffer[..size].chunks_mut(8).enumerate() {
            let number = (self.left - 8 * at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            word.copy_from_slice(&number.to_le_bytes()[..word.len()]);
        }
        self.hash.update(&buffer[..size]);
        self.left -= size as u64;
        Ok(size)
    }
}

fn hash_of_the_layers_file(saved: &Path) -> Vec<u8> {
    let mut outer = tar::Archive::new(io::BufReader::new(File::open(saved).unwrap()));
    for entry in outer.entries().unwrap() {
        let entry = entry.unwrap();
        if !entry.path().unwrap().ends_with("layer.tar") {
            continue;
        }
        let mut layer = tar::Archive::new(entry);
        for file in layer.entries().unwrap() {
            let mut file = file.unwrap();
            if file.path().unwrap().ends_with("large") {
                let (mut hash, mut buffer) = (Context::new(&SHA256), vec![0; 1 << 20]);
                while let n @ 1.. = file.read(&mut buffer).unwrap() {
                    hash.update(&buffer[..n]);
                }
                return hash.finish().as_ref().to_vec();
            }
        }
    }
    panic!("no layer with the file in {}", saved.display());
}

// A small image of its own, so that removing it takes away more than a tag.
fn built(docker: &Docker, name: &str) -> String {
    let image = format!("{}:latest", fresh(name));
    let dockerfile = format!("FROM busybox\nRUN echo {image} >/name\n");
    docker.run_with(["build", "-t", &image, "-"], dockerfile.as_bytes()).ok();
    image
}
