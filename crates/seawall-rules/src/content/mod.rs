//! Stage 6, for what comes after the decision: archives, judged as they pass.
//!
//! A role's archive is read entry by entry and written afresh as a plain tar, so that what is
//! judged is what the engine reads. The end of the archive is written last, and the engine acts
//! on no archive without one: where something is refused, it never comes.

mod build;
mod decode;
pub(crate) mod dockerfile;
mod load;
mod tar;

use build::Build;
use decode::Decoder;
use load::Load;
use tar::{Entry, Inspect, Kind, Take, Tar};

use crate::operation::{Operation, Request};
use crate::policy::Undecided;
use crate::verdict::Refusal;

/// Judges the archive of one request as it passes.
pub struct Judge {
    decoder: Decoder,
    decoded: Vec<u8>,
    tar: Tar,
    inspector: Inspector,
}

impl Judge {
    /// The judge of a granted request's body; `None` where there is nothing in it to judge.
    pub(crate) fn of(request: &Request, undecided: Undecided) -> Option<Self> {
        let content = match request.route.operation {
            Operation::ImageBuild if request.by_buildkit() => Content::None,
            Operation::ImageBuild => Content::Build(Build::new(request)),
            Operation::ImageCreate if request.imports() => Content::Files,
            Operation::PutContainerArchive => Content::Files,
            Operation::ImageLoad => Content::Load(Load::default()),
            _ => return None,
        };
        Some(Self {
            decoder: Decoder::new(),
            decoded: Vec::new(),
            tar: Tar::default(),
            inspector: Inspector { content, undecided },
        })
    }

    /// Judges from the front of `input`, appends to `out` what may go to the engine, and says how
    /// much of the input was taken: never nothing where there is something. A call appends at
    /// most about a MiB more than it takes.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing more may go to the engine then, not even what was appended.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Refusal> {
        if let Content::None = self.inspector.content {
            return Err(Refusal::forbidden(
                "content.unexpected",
                "may not send a build by BuildKit a body: its context comes by its session",
            ));
        }
        self.decoded.clear();
        let taken = self.decoder.push(input, &mut self.decoded)?;
        self.tar.push(&self.decoded, &mut self.inspector, out)?;
        Ok(taken)
    }

    /// The body has come to its end: appends the end of the archive to `out`.
    ///
    /// # Errors
    /// A [`Refusal`]; the engine must not see the end of the body then.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if let Content::None = self.inspector.content {
            return Ok(());
        }
        self.decoded.clear();
        self.decoder.finish(&mut self.decoded)?;
        self.tar.push(&self.decoded, &mut self.inspector, out)?;
        if let Content::Build(build) = &self.inspector.content {
            build.end()?;
        }
        self.tar.finish(out)
    }
}

impl Judge {
    /// The rules by which the request would have been refused by now, were it not for a role in
    /// warn mode; those of its head and query among them.
    pub fn would_deny(&self) -> &[&'static str] {
        self.inspector.undecided.would_deny()
    }
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge").field("content", &self.inspector.content).finish_non_exhaustive()
    }
}

/// What an archive is for.
#[derive(Debug)]
enum Content {
    /// The context of a build.
    Build(Build),
    /// Files for an image or a container, by any names: the engine keeps them inside.
    Files,
    /// Images.
    Load(Load),
    /// Nothing at all: BuildKit takes a build's context from its session.
    None,
}

struct Inspector {
    content: Content,
    undecided: Undecided,
}

impl Inspect for Inspector {
    fn entry(&mut self, entry: &Entry) -> Result<Take, Refusal> {
        match &mut self.content {
            Content::Build(build) => build.entry(entry),
            Content::Files | Content::None => Ok(Take::Pass),
            Content::Load(load) => load.entry(entry),
        }
    }

    fn whole(&mut self, entry: &Entry, data: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let (asks, data) = match &self.content {
            Content::Build(_) => (Build::whole(entry, &data)?, data),
            Content::Files | Content::None => (Vec::new(), data),
            Content::Load(_) => Load::whole(entry, &data)?,
        };
        self.undecided.judge(asks)?;
        Ok(data)
    }
}

/// The symbolic links of an archive. Where names are judged, nothing is named by way of one: the
/// engine would follow it to a name that nobody has read.
#[derive(Debug, Default)]
struct Links {
    names: std::collections::BTreeSet<Vec<u8>>,
    bytes: usize,
}

/// Bytes of their names that are kept.
const MAX_LINKS: usize = 4 << 20;

impl Links {
    fn entry(&mut self, entry: &Entry) -> Result<(), Refusal> {
        let mut slashes = entry.name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        if slashes.any(|(end, _)| self.names.contains(&entry.name[..end])) {
            return Err(Refusal::forbidden(
                "content.entry",
                format!("may not send this archive: {} lies behind a symbolic link", named(entry)),
            ));
        }
        if entry.kind == Kind::Symlink {
            self.bytes += entry.name.len() + 64;
            if self.bytes > MAX_LINKS {
                return Err(Refusal {
                    status: 413,
                    rule: "content.too-large",
                    reason: "the archive has too many symbolic links".to_owned(),
                });
            }
            self.names.insert(entry.name.clone());
        }
        Ok(())
    }
}

/// An entry's name in a sentence.
fn named(entry: &Entry) -> String {
    crate::escape::quoted(&entry.name)
}

#[cfg(test)]
mod tests;
