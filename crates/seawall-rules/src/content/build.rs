//! `ImageBuild` by the classic builder: its context, and the Dockerfile in it.

use super::dockerfile::{self, Builder};
use super::tar::{Entry, Kind, Take};
use super::{Links, named};
use crate::facts::Fact;
use crate::operation::Request;
use crate::verdict::Refusal;

/// Of a Dockerfile.
const MAX_BYTES: usize = 1 << 20;

/// What has come of a context.
#[derive(Debug)]
pub(super) struct Build {
    links: Links,
    /// The names under which the engine looks for the Dockerfile; none that could be in an
    /// archive, if it is not written plainly.
    wanted: Vec<String>,
    seen: Vec<String>,
}

impl Build {
    pub(super) fn new(request: &Request) -> Self {
        let given = request.query_value("dockerfile");
        let wanted = match given.strip_prefix("./").unwrap_or(given) {
            // Where there is no `Dockerfile`.
            "" | "Dockerfile" => vec!["Dockerfile".to_owned(), "dockerfile".to_owned()],
            name => vec![name.to_owned()],
        };
        Self { links: Links::default(), wanted, seen: Vec::new() }
    }

    pub(super) fn entry(&mut self, entry: &Entry) -> Result<Take, Refusal> {
        self.links.entry(entry)?;
        if matches!(entry.kind, Kind::Block | Kind::Character | Kind::Fifo) {
            return Err(refused(entry, "is no file, folder or link"));
        }
        let Some(name) = self.wanted.iter().find(|name| entry.is(name)) else {
            return Ok(Take::Pass);
        };
        if entry.kind != Kind::File {
            return Err(refused(entry, "is no file"));
        }
        if self.seen.contains(name) {
            return Err(refused(entry, "is there twice"));
        }
        self.seen.push(name.clone());
        Ok(Take::Whole(MAX_BYTES))
    }

    /// What a Dockerfile asks for.
    pub(super) fn whole(entry: &Entry, data: &[u8]) -> Result<Vec<Fact>, Refusal> {
        let field = String::from_utf8_lossy(&entry.name);
        let asks = dockerfile::read(&String::from_utf8_lossy(data), Builder::Classic)?.into_iter();
        Ok(asks.map(|ask| Fact { field: field.clone().into_owned(), ask }).collect())
    }

    /// All has come. The engine must not find a Dockerfile that was not read here.
    pub(super) fn end(&self) -> Result<(), Refusal> {
        if self.seen.is_empty() {
            let name = crate::escape::quoted(self.wanted[0].as_bytes());
            return Err(Refusal::forbidden(
                "content.dockerfile",
                format!("may not build an image: {name} is no file of the context"),
            ));
        }
        Ok(())
    }
}

fn refused(entry: &Entry, why: &str) -> Refusal {
    Refusal::forbidden(
        "content.entry",
        format!("may not build from this context: {} {why}", named(entry)),
    )
}
