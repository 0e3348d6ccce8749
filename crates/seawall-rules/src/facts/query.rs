//! What path and query ask for.

use super::escape::{CHECKPOINT, IMPORT, NAME, SERVICE_ROLLBACK};
use super::{Ask, Fact, ImageName, changes};
use crate::operation::Operation;

/// What the target of a request asks for.
pub(super) fn read(operation: Operation, params: &[String], query: &Query) -> Vec<Fact> {
    use Operation::*;
    let mut asks = Vec::new();
    let mut ask = |field: &str, ask: Ask| asks.push(Fact { field: field.to_owned(), ask });
    let param = || params.first().cloned().unwrap_or_default();
    let image = |name: &str| Ask::Image(ImageName::new(name));
    if let Some(name) = crate::reference::could_be_an_id(operation, query) {
        ask("name", Ask::Escape(NAME, crate::escape::quoted(name.as_bytes())));
    }
    if let Some(escape) = super::of_operation(operation) {
        ask(operation.as_str(), Ask::Escape(escape, "asked for".to_owned()));
    }
    match operation {
        ContainerStart => {
            if let Some((key, value)) = query.iter().find(|(key, _)| key.starts_with("checkpoint"))
            {
                ask(key, Ask::Escape(CHECKPOINT, crate::escape::quoted(value.as_bytes())));
            }
        }
        DistributionInspect | ImageAttestations | ImageGet | ImageHistory | ImageHistoryLibpod
        | ImageInspect | ImageInspectLibpod | ImageDelete => ask("name", image(&param())),
        ImageGetAll => {
            for name in values(query, "names") {
                ask("names", image(name));
            }
        }
        ImageSearch => ask("term", image(value(query, "term"))),
        ImageBuild => asks.extend(super::build::read(query)),
        ImageCreate => {
            let name = with_tag(value(query, "fromImage"), value(query, "tag"));
            match (value(query, "fromImage"), value(query, "fromSrc")) {
                ("", "-") => {
                    let repo = value(query, "repo");
                    if !repo.is_empty() {
                        let name = with_tag(repo, value(query, "tag"));
                        ask("repo", Ask::Tag(ImageName::new(&name)));
                    }
                    asks.extend(changes(query));
                }
                (_, "") => ask("fromImage", image(&name)),
                _ => ask("fromSrc", Ask::Escape(IMPORT, "set".to_owned())),
            }
        }
        ImageCommit => {
            let repo = value(query, "repo");
            if !repo.is_empty() {
                let name = with_tag(repo, value(query, "tag"));
                ask("repo", Ask::Tag(ImageName::new(&name)));
            }
            asks.extend(changes(query));
        }
        ImagePush => {
            ask("name", Ask::Tag(ImageName::new(&with_tag(&param(), value(query, "tag")))));
        }
        ImageTag => {
            ask("name", image(&param()));
            let name = with_tag(value(query, "repo"), value(query, "tag"));
            ask("repo", Ask::Tag(ImageName::new(&name)));
        }
        NetworkConnect
        | NetworkDelete
        | NetworkDisconnect
        | NetworkInspect
        | NetworkInspectByNameLibpod
        | NetworkInspectLibpod => {
            ask("id", Ask::Network(param()));
        }
        ServiceUpdate if !matches!(value(query, "rollback"), "" | "none") => {
            let shown = crate::escape::quoted(value(query, "rollback").as_bytes());
            ask("rollback", Ask::Escape(SERVICE_ROLLBACK, shown));
        }
        VolumeDelete | VolumeInspect | VolumeInspectLibpod | VolumeUpdate => {
            ask("name", Ask::Volume(param()))
        }
        _ => {}
    }
    asks
}

pub(super) type Query = [(String, String)];

fn changes(query: &Query) -> impl Iterator<Item = Fact> {
    values(query, "changes")
        .flat_map(changes::read)
        .map(|ask| Fact { field: "changes".to_owned(), ask })
}

pub(super) fn values<'a>(query: &'a Query, key: &str) -> impl Iterator<Item = &'a str> {
    query.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
}

pub(super) fn value<'a>(query: &'a Query, key: &str) -> &'a str {
    values(query, key).next().unwrap_or_default()
}

/// A tag in a key of its own goes before the one in the name; it may be a digest.
fn with_tag(name: &str, tag: &str) -> String {
    let (repository, _) = super::image::split_tag(name.split_once('@').map_or(name, |(n, _)| n));
    match tag {
        "" => name.to_owned(),
        digest if digest.contains(':') => format!("{repository}@{digest}"),
        tag => format!("{repository}:{tag}"),
    }
}
