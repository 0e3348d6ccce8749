//! Archives by a role: what is in them is judged as they pass, and the engine makes nothing of one
//! that is refused on the way.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::support::client::{Docker, Side, fresh};
use crate::support::engine::Engine;
use crate::support::gate::Gate;

const ROLES: &str = r#"
[roles.shop]
operations = ["ImageBuild", "ImageCreate", "ImageLoad"]
images = ["busybox"]
tags = ["shop/*"]
"#;

/// One gate and one identity for all of these tests.
static SHOP: LazyLock<(Gate, Docker)> = LazyLock::new(|| {
    let gate = Gate::up_with(&Engine::shared().socket(), ROLES);
    let docker = gate.docker_as("shaun", "shop");
    (gate, docker)
});

fn shop() -> &'static Docker {
    &SHOP.1
}

/// An image of these names, saved and removed again, and its id.
fn saved(engine: &Docker, dir: &Path, names: &[&str]) -> (PathBuf, String) {
    let label = fresh("content");
    let dockerfile = format!("FROM busybox\nLABEL {label}=1\n");
    let mut save = vec!["save", "-o"];
    let file = dir.join("images.tar");
    save.push(file.to_str().unwrap());
    for name in names {
        engine.run_with(["build", "-t", name, "-"], dockerfile.as_bytes()).ok();
        save.push(name);
    }
    let id = engine.run(["image", "inspect", names[0], "--format", "{{.Id}}"]).ok();
    engine.run(save).ok();
    for name in names {
        engine.run(["rmi", name]).ok();
    }
    (file, id)
}

fn is_there(engine: &Docker, image: &str) -> bool {
    engine.run(["image", "ls", "-q", "--filter", &format!("reference={image}")]).ok() != ""
}

#[test]
fn images_of_names_that_the_role_covers_are_loaded_plain_or_compressed() {
    for engine in Side::Engine.dockers() {
        let dir = tempfile::tempdir().unwrap();
        let names = [format!("shop/{}:1", fresh("load")), format!("shop/{}:2", fresh("load"))];
        let names = names.each_ref().map(String::as_str);
        let (file, id) = saved(&engine, dir.path(), &names);
        let plain = std::fs::read(&file).unwrap();
        for (how, archive) in [("gzip", gzip(&plain)), ("zstd", zstd(&plain)), ("plain", plain)] {
            std::fs::write(&file, archive).unwrap();
            let loaded = shop().run(["load", "-i", file.to_str().unwrap()]).ok();
            assert!(names.iter().all(|name| loaded.contains(name)), "{how}: {loaded}");
            let again = engine.run(["image", "inspect", names[1], "--format", "{{.Id}}"]).ok();
            assert_eq!(again, id, "{how}");
            engine.run(["rmi", names[0], names[1]]).ok();
        }
    }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn an_archive_with_a_foreign_name_loads_nothing() {
    for engine in Side::Engine.dockers() {
        let dir = tempfile::tempdir().unwrap();
        let names = [format!("shop/{}:1", fresh("own")), format!("{}:1", fresh("foreign"))];
        let names = names.each_ref().map(String::as_str);
        let (file, _) = saved(&engine, dir.path(), &names);
        let load = ["load", "-i", file.to_str().unwrap()];
        let (_, said) = shop().run(load).fails();
        let foreign = format!("`manifest.json` is `{}`", names[1]);
        assert!(said.contains("may not give an image this name"), "{said}");
        assert!(said.contains(&foreign) && said.contains("[rule role.tags, "), "{said}");
        assert!(!names.iter().any(|name| is_there(&engine, name)), "nothing of it is loaded");
        // The engine itself takes it.
        engine.run(load).ok();
        assert!(names.iter().all(|name| is_there(&engine, name)));
        engine.run(["rmi", names[0], names[1]]).ok();
        refused_is_recorded("role.tags");
    }
}

/// The decision was to let the request pass; what came with it is recorded by itself.
fn refused_is_recorded(rule: &str) {
    let records = SHOP.0.records();
    let refused = records
        .iter()
        .find(|record| record["what"] == "content.refused" && record["detail"]["rule"] == rule);
    let id = &refused.expect("content.refused")["detail"]["request"];
    let of_it = |kind: &str| {
        records.iter().find(|record| record["kind"] == kind && record["id"] == *id).cloned()
    };
    assert_eq!(of_it("decision").expect("a decision")["allowed"], true);
    if let Some(outcome) = of_it("outcome") {
        assert_eq!(outcome["ending"], "refused");
    }
}

#[test]
fn an_image_is_imported_under_a_name_that_the_role_covers() {
    let engine = Side::Engine.docker();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("root.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&file).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(5);
    tar.append_data(&mut header, format!("{}/kept", "d".repeat(120)), &b"kept\n"[..]).unwrap();
    tar.finish().unwrap();
    let file = file.to_str().unwrap();
    let image = format!("shop/{}:1", fresh("import"));
    shop().run(["import", "-c", "ENV A=b", "-c", "LABEL a=b", file, &image]).ok();
    let env = engine.run(["image", "inspect", &image, "--format", "{{.Config.Env}}"]).ok();
    assert_eq!(env, "[A=b]");
    engine.run(["rmi", &image]).ok();

    let foreign = fresh("foreign");
    let (_, said) = shop().run(["import", file, &foreign]).fails();
    assert!(said.contains("[rule role.tags, "), "{said}");
    let (_, said) = shop().run(["import", "-c", "ONBUILD RUN x", file, &image]).fails();
    assert!(said.contains("[rule escape.image-change, "), "{said}");
    assert!(!is_there(&engine, &image) && !is_there(&engine, &foreign));
}

#[test]
fn an_archive_that_is_refused_on_its_way_is_no_image() {
    let engine = Side::Engine.docker();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("root.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&file).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(4 << 20);
    tar.append_data(&mut header, "first", std::io::repeat(7).take(4 << 20)).unwrap();
    header.as_old_mut().name[..8].copy_from_slice(b"../above");
    header.set_size(0);
    header.set_cksum();
    tar.append(&header, &b""[..]).unwrap();
    tar.finish().unwrap();
    let file = file.to_str().unwrap();
    let image = format!("shop/{}:1", fresh("refused"));
    let (_, said) = shop().run(["import", file, &image]).fails();
    assert!(said.contains("the archive is not taken: a name in the archive has `..`"), "{said}");
    assert!(!is_there(&engine, &image));
    refused_is_recorded("content.tar");
}

#[test]
fn a_role_builds_upon_images_that_it_covers() {
    let engine = Side::Engine.docker();
    let dir = tempfile::tempdir().unwrap();
    let dockerfile = "ARG WHO\nFROM busybox AS first\nARG WHO\nRUN echo \"$WHO\" >/said\n\
         FROM busybox\nCOPY --from=first /said /said\nCOPY kept/ /kept/\n";
    std::fs::write(dir.path().join("Dockerfile"), dockerfile).unwrap();
    std::fs::create_dir(dir.path().join("kept")).unwrap();
    std::fs::write(dir.path().join("kept").join("large"), vec![7; 3 << 20]).unwrap();
    std::os::unix::fs::symlink("large", dir.path().join("kept").join("link")).unwrap();
    let context = dir.path().to_str().unwrap();
    let image = format!("shop/{}:1", fresh("build"));
    shop().run(["build", "--build-arg", "WHO=sailor", "-t", &image, context]).ok();
    let show = ["sh", "-c", "cat /said; wc -c </kept/large; readlink /kept/link"];
    let run = ["run", "--rm", &image].into_iter().chain(show);
    assert_eq!(engine.run(run).ok(), "sailor\n3145728\nlarge");
    engine.run(["rmi", &image]).ok();
}

#[test]
fn a_role_builds_upon_no_other_image_and_with_nothing_of_the_host() {
    let engine = Side::Engine.docker();
    let secret = fresh("secret");
    engine.run(["tag", "busybox", &secret]).ok();
    let image = format!("shop/{}:1", fresh("build"));
    for (dockerfile, flags, rule) in [
        (format!("FROM {secret}\n"), &[][..], "role.images"),
        (format!("ARG A={secret}\nFROM $A\n"), &[], "role.images"),
        (format!("FROM busybox\nCOPY --from={secret} /bin /b\n"), &[], "role.images"),
        (format!("FROM busybox\nRUN true \\\n  # a\nFROM {secret}\n"), &[], "role.images"),
        ("FROM busybox\n".to_owned(), &["--network", "host"], "escape.host-network"),
        ("FROM busybox\n".to_owned(), &["-t", "foreign"], "role.tags"),
        ("FROM busybox\n".to_owned(), &["--cgroup-parent", "/x"], "escape.cgroup-parent"),
    ] {
        let args = ["build", "-t", &image].into_iter().chain(flags.iter().copied()).chain(["-"]);
        let done = shop().run_with(args, dockerfile.as_bytes());
        let (_, said) = done.fails();
        assert!(said.contains(&format!("[rule {rule}, ")), "{dockerfile} {flags:?}: {said}");
        assert!(!is_there(&engine, &image), "{dockerfile} {flags:?}");
    }
    engine.run(["rmi", &secret]).ok();
}
