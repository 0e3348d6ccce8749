//! A tar read as it passes and written afresh: an entry at a time, each as it was judged, and the
//! end only when all has been.

mod entry;
mod header;
mod pax;

pub(super) use entry::Entry;
pub(super) use header::Kind;

use entry::{pad, padding};
use header::{BLOCK, Header, Type};
use pax::Records;

use crate::verdict::Refusal;

/// Why something is not the one tar that every reader would read; one clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl From<Malformed> for Refusal {
    fn from(Malformed(why): Malformed) -> Self {
        Self::malformed("content.tar", format!("the archive is not taken: {why}"))
    }
}

/// What is to be done with the data of an entry.
pub(super) enum Take {
    /// It passes.
    Pass,
    /// It is read whole before anything of the entry is written, up to so many bytes.
    Whole(usize),
}

/// Who is asked about what is in an archive.
pub(super) trait Inspect {
    /// An entry comes.
    fn entry(&mut self, entry: &Entry) -> Result<Take, Refusal>;
    /// The data of an entry that is taken whole; what is returned goes to the engine for it.
    fn whole(&mut self, entry: &Entry, data: Vec<u8>) -> Result<Vec<u8>, Refusal>;
}

/// Where in the archive its reader is.
#[derive(Debug, Default)]
pub(super) struct Tar {
    state: State,
    /// The beginning of a block that has not come whole.
    block: Vec<u8>,
    /// What was said of the next entry.
    next: Option<Next>,
    /// Anything was written.
    begun: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Header,
    /// The data of a header that is about the next entry, and what of it has come.
    About(Type, u64, Vec<u8>),
    /// Bytes of an entry that still pass, then those of its padding, which are made afresh.
    Passing(u64, u64),
    /// An entry whose data is taken whole, and what of it has come.
    Whole(Box<Entry>, Vec<u8>),
    /// Padding to read over.
    Padding(usize),
    /// A block of zeros has come: more of it may follow, and nothing else.
    End,
}

/// pax records, or GNU's long names; not both.
#[derive(Debug)]
enum Next {
    Gnu { name: Option<Vec<u8>>, link: Option<Vec<u8>> },
    Pax(Records),
}

/// Records and long names beyond this are refused.
const MAX_ABOUT: u64 = 1 << 20;

impl Tar {
    /// Reads some more of the archive, and writes what has been judged of it.
    ///
    /// # Errors
    /// A [`Refusal`] for what is no plain tar, or what the inspector refuses; nothing more may go
    /// to the engine then.
    pub(super) fn push(
        &mut self,
        mut input: &[u8],
        inspect: &mut impl Inspect,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        while !input.is_empty() {
            match &mut self.state {
                State::Passing(left, size) => {
                    let n = at_most(input, *left);
                    out.extend_from_slice(&input[..n]);
                    input = &input[n..];
                    *left -= n as u64;
                    if *left == 0 {
                        pad(*size, out);
                        self.state = after(*size);
                    }
                }
                State::Whole(entry, data) => {
                    let n = at_most(input, entry.size - data.len() as u64);
                    data.extend_from_slice(&input[..n]);
                    input = &input[n..];
                    self.taken(inspect, out)?;
                }
                State::About(kind, size, data) => {
                    let n = at_most(input, *size - data.len() as u64);
                    data.extend_from_slice(&input[..n]);
                    input = &input[n..];
                    if data.len() as u64 == *size {
                        let (kind, size, data) = (*kind, *size, std::mem::take(data));
                        self.about(kind, &data)?;
                        self.state = after(size);
                    }
                }
                State::Padding(left) => {
                    let n = input.len().min(*left);
                    input = &input[n..];
                    *left -= n;
                    if *left == 0 {
                        self.state = State::Header;
                    }
                }
                State::End => {
                    if input.iter().any(|&byte| byte != 0) {
                        return Err(Malformed("something follows the end of it").into());
                    }
                    return Ok(());
                }
                State::Header => {
                    let n = input.len().min(BLOCK - self.block.len());
                    self.block.extend_from_slice(&input[..n]);
                    input = &input[n..];
                    if let Ok(block) = <&header::Block>::try_from(self.block.as_slice()) {
                        let block = *block;
                        self.block.clear();
                        self.header(&block, inspect, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// All has come, and all has been judged: writes the end of the archive.
    ///
    /// # Errors
    /// A [`Refusal`] for an archive that is cut short.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let whole = matches!(self.state, State::Header | State::End)
            && self.block.is_empty()
            && self.next.is_none();
        if !whole {
            return Err(Malformed("it is cut short").into());
        }
        if self.begun || matches!(self.state, State::End) {
            out.resize(out.len() + 2 * BLOCK, 0);
        }
        Ok(())
    }

    fn header(
        &mut self,
        block: &header::Block,
        inspect: &mut impl Inspect,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        if block.iter().all(|&byte| byte == 0) {
            if self.next.is_some() {
                return Err(Malformed("it is cut short").into());
            }
            self.state = State::End;
            return Ok(());
        }
        let header = Header::read(block)?;
        let Type::Entry(kind) = header.kind else {
            if header.size > MAX_ABOUT {
                return Err(Malformed("what is said of an entry is too long").into());
            }
            self.state = State::About(header.kind, header.size, Vec::new());
            if header.size == 0 {
                self.about(header.kind, &[])?;
                self.state = State::Header;
            }
            return Ok(());
        };
        let more = match self.next.take() {
            None => Records::default(),
            Some(Next::Gnu { name, link }) => Records { path: name, link, ..Records::default() },
            Some(Next::Pax(records)) => records,
        };
        let entry = Entry::new(header, kind, more)?;
        self.begun = true;
        match inspect.entry(&entry)? {
            Take::Pass => {
                entry.write(out);
                if entry.size > 0 {
                    self.state = State::Passing(entry.size, entry.size);
                }
            }
            Take::Whole(most) => {
                if entry.size > most as u64 {
                    let name = crate::escape::quoted(&entry.name);
                    return Err(Refusal {
                        status: 413,
                        rule: "content.too-large",
                        reason: format!("{name} in the archive is larger than {most} bytes"),
                    });
                }
                self.state = State::Whole(Box::new(entry), Vec::new());
                self.taken(inspect, out)?;
            }
        }
        Ok(())
    }

    /// Goes on behind an entry that is taken whole, once all of it is there.
    fn taken(&mut self, inspect: &mut impl Inspect, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let State::Whole(entry, data) = &mut self.state else { return Ok(()) };
        if (data.len() as u64) < entry.size {
            return Ok(());
        }
        let came = entry.size;
        let data = inspect.whole(entry, std::mem::take(data))?;
        entry.size = data.len() as u64;
        entry.write(out);
        out.extend_from_slice(&data);
        pad(entry.size, out);
        self.state = after(came);
        Ok(())
    }

    /// Takes what is said of the next entry, or of all.
    fn about(&mut self, kind: Type, data: &[u8]) -> Result<(), Malformed> {
        const TWICE: Malformed = Malformed("an entry is described twice");
        let named = || {
            let end = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
            let (name, rest) = data.split_at(end);
            if name.is_empty() || rest.iter().any(|&byte| byte != 0) {
                return Err(Malformed("a long name is malformed"));
            }
            Ok(Some(name.to_vec()))
        };
        match (kind, &mut self.next) {
            (Type::PaxGlobal, None) if pax::are_remarks(data)? => {}
            (Type::PaxGlobal, _) => {
                return Err(Malformed("pax records for the whole archive are not taken"));
            }
            (Type::Pax, next @ None) => *next = Some(Next::Pax(pax::read(data)?)),
            (Type::LongName, next @ None) => {
                *next = Some(Next::Gnu { name: named()?, link: None });
            }
            (Type::LongLink, next @ None) => {
                *next = Some(Next::Gnu { name: None, link: named()? });
            }
            (Type::LongName, Some(Next::Gnu { name: name @ None, .. })) => *name = named()?,
            (Type::LongLink, Some(Next::Gnu { link: link @ None, .. })) => *link = named()?,
            _ => return Err(TWICE),
        }
        Ok(())
    }
}

/// Where the reader is behind `size` bytes of data.
fn after(size: u64) -> State {
    match padding(size) {
        0 => State::Header,
        padding => State::Padding(padding),
    }
}

fn at_most(bytes: &[u8], most: u64) -> usize {
    usize::try_from(most).map_or(bytes.len(), |most| bytes.len().min(most))
}
