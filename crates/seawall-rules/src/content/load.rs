//! `ImageLoad`: an archive of images, and the names it would give them.

use serde_json::Value;

use super::Links;
use super::tar::{Entry, Kind, Take};
use crate::facts::{Ask, Fact, ImageName};
use crate::json::{self, Document, Names};
use crate::verdict::Refusal;

/// The files of such an archive that name its images: `docker save`'s own, the one of engines
/// before 1.10, and that of an OCI layout.
const MANIFEST: &str = "manifest.json";
const REPOSITORIES: &str = "repositories";
const INDEX: &str = "index.json";

/// Of one of them; `docker save` of a hundred images makes 100 KiB.
const MAX_BYTES: usize = 4 << 20;

/// The annotations of an OCI index by which the engine names an image.
const IMAGE_NAME: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// What has come of the archive.
#[derive(Debug, Default)]
pub(super) struct Load {
    links: Links,
    seen: Vec<&'static str>,
}

impl Load {
    pub(super) fn entry(&mut self, entry: &Entry) -> Result<Take, Refusal> {
        self.links.entry(entry)?;
        match entry.kind {
            Kind::Directory | Kind::File | Kind::HardLink => {}
            Kind::Symlink if stays_inside(entry) => {}
            Kind::Symlink => return Err(refused(entry, "is a link that leads out of it")),
            Kind::Block | Kind::Character | Kind::Fifo => {
                return Err(refused(entry, "is no file, folder or link"));
            }
        }
        let naming = [MANIFEST, REPOSITORIES, INDEX].into_iter().find(|name| entry.is(name));
        let Some(naming) = naming else { return Ok(Take::Pass) };
        if entry.kind != Kind::File {
            return Err(refused(entry, "is no file"));
        }
        if self.seen.contains(&naming) {
            return Err(refused(entry, "is there twice"));
        }
        self.seen.push(naming);
        Ok(Take::Whole(MAX_BYTES))
    }

    /// What the names in one of these files ask for, and the file as it was read.
    pub(super) fn whole(entry: &Entry, data: &[u8]) -> Result<(Vec<Fact>, Vec<u8>), Refusal> {
        // Of `repositories` the engine makes a map, of the others structures with maps inside.
        let names = if entry.is(REPOSITORIES) { Names::Exact } else { Names::Folded };
        let document = json::parse_with(data, names)?;
        let found = if entry.is(MANIFEST) {
            manifest(&document)
        } else if entry.is(REPOSITORIES) {
            repositories(&document)
        } else {
            index(&document)
        };
        let Some(found) = found else {
            return Err(Refusal::malformed(
                "content.names",
                format!("{} of the archive is not what it must be", super::named(entry)),
            ));
        };
        let field = String::from_utf8_lossy(&entry.name);
        let asks = found.into_iter().map(|name| Fact {
            field: field.clone().into_owned(),
            ask: Ask::Tag(ImageName::new(&name)),
        });
        Ok((asks.collect(), document.to_bytes()))
    }
}

/// `[{"Config": …, "RepoTags": ["busybox:latest"], "Layers": […]}]`
fn manifest(document: &Document) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for image in items(Some(document.value()))? {
        image.as_object()?;
        for name in items(json::field(image, "RepoTags"))? {
            names.push(name.as_str()?.to_owned());
        }
    }
    Some(names)
}

/// `{"busybox": {"latest": "ID"}}`
fn repositories(document: &Document) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for (repository, tags) in document.value().as_object()? {
        // The engine would drop what the name has of a tag.
        if crate::facts::split_tag(repository).1.is_some() || repository.contains('@') {
            return None;
        }
        for tag in tags.as_object()?.keys() {
            names.push(format!("{repository}:{tag}"));
        }
    }
    Some(names)
}

/// `{"manifests": [{"annotations": {"io.containerd.image.name": "docker.io/library/busybox:1"}}]}`
fn index(document: &Document) -> Option<Vec<String>> {
    document.value().as_object()?;
    let mut names = Vec::new();
    for manifest in items(document.field("manifests"))? {
        manifest.as_object()?;
        let annotations = json::field(manifest, "annotations").filter(|value| !value.is_null());
        let annotation = |name: &str| match annotations.map(|all| all.as_object()) {
            None => Some(""),
            Some(all) => all?.get(name).map_or(Some(""), Value::as_str),
        };
        let (name, reference) = (annotation(IMAGE_NAME)?, annotation(REF_NAME)?);
        if !name.is_empty() {
            names.push(name.to_owned());
        }
        // Beside a name it is that name's tag, and names nothing.
        let is_its_tag =
            name.strip_suffix(reference).is_some_and(|repository| repository.ends_with(':'));
        if !reference.is_empty() && !is_its_tag {
            names.push(reference.to_owned());
        }
    }
    Some(names)
}

/// The items of an array; `null` and what is not there have none.
fn items(value: Option<&Value>) -> Option<&[Value]> {
    match value {
        None | Some(Value::Null) => Some(&[]),
        Some(value) => value.as_array().map(Vec::as_slice),
    }
}

/// Whether a symbolic link leads to something of the archive, by its text: engines before 25 link
/// a layer that two images share.
fn stays_inside(entry: &Entry) -> bool {
    let mut depth = entry.name.iter().filter(|&&byte| byte == b'/').count();
    for segment in entry.link.split(|&byte| byte == b'/') {
        match segment {
            b"." => {}
            b".." if depth == 0 => return false,
            b".." => depth -= 1,
            // The beginning of an absolute path, or a slash too many.
            b"" => return false,
            _ => depth += 1,
        }
    }
    true
}

fn refused(entry: &Entry, why: &str) -> Refusal {
    Refusal::forbidden(
        "content.entry",
        format!("may not load images from this archive: {} {why}", super::named(entry)),
    )
}
