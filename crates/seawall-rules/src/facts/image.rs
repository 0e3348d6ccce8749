//! The names of images, in the one spelling that patterns are compared with.

/// An image as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    written: String,
    canonical: Option<String>,
}

impl ImageName {
    /// Reads a reference as the engine does (distribution `reference.ParseNormalizedNamed`).
    pub fn new(written: &str) -> Self {
        Self { written: written.to_owned(), canonical: canonical(written) }
    }

    /// The most general image of a pattern, `canonical` being its text; without one, an id.
    pub(crate) fn of_pattern(written: &str, canonical: Option<String>) -> Self {
        Self { written: written.to_owned(), canonical }
    }

    /// As it stands in the request.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// `docker.io/library/busybox:latest`: registry, repository, and the tag or, where there is
    /// one, the digest. `None` where the text is, or could be taken for, an image's id: nobody
    /// can say which name that has.
    pub fn canonical(&self) -> Option<&str> {
        self.canonical.as_deref()
    }
}

fn canonical(written: &str) -> Option<String> {
    let (name, digest) = match written.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (written, None),
    };
    let (repository, tag) = split_tag(name);
    let could_be_an_id = tag.is_none()
        && digest.is_none()
        && repository.bytes().all(|byte| byte.is_ascii_hexdigit());
    if could_be_an_id || repository.is_empty() || repository == "sha256" {
        return None;
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:[]@".contains(&byte);
    if !written.bytes().all(plain) {
        return None;
    }
    let repository = repository_in_full(repository);
    Some(match (digest, tag) {
        (Some(digest), _) => format!("{repository}@{digest}"),
        (None, tag) => format!("{repository}:{}", tag.unwrap_or("latest")),
    })
}

/// The tag begins after the last colon, unless that is part of the registry's address.
pub(crate) fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

/// With the registry, and `library/` where Docker Hub's own images are meant.
pub(crate) fn repository_in_full(repository: &str) -> String {
    let (registry, path) = match repository.split_once('/') {
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.contains(|c: char| c.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => ("docker.io", repository),
    };
    let registry = if registry == "index.docker.io" { "docker.io" } else { registry };
    let library = registry == "docker.io" && !path.contains('/');
    format!("{registry}/{}{path}", if library { "library/" } else { "" })
}
