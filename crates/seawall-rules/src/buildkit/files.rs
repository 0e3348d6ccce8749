//! `moby.filesync.v1.FileSync/DiffCopy` of the folder with the Dockerfile: what the client says
//! there is (`STAT`), and the files that the engine asks it for (`DATA`), each with the number of
//! its `STAT`.
//!
//! Each file but what is to be ignored is held until it is whole, and read as a Dockerfile. The
//! engine keeps what it was sent, under a key that clients choose, and does not ask again for a
//! file of the same size and time; so each file gets a time of its own here, and is asked for.

use std::collections::BTreeMap;

use super::frame::{self, Frames};
use super::proto::{self, Bad, Value};
use super::unreadable;
use crate::content::dockerfile::{self, Builder};
use crate::facts::Fact;
use crate::policy::Undecided;
use crate::verdict::Refusal;

/// Of a Dockerfile, and of all that is held of them at once.
const MAX_BYTES: usize = 1 << 20;
/// Of one packet; the sender cuts files into pieces of 32 KiB.
const MAX_PACKET: usize = 4 << 20;
/// What is in such a folder: the Dockerfile, what it ignores, the folders above.
const MAX_FILES: u32 = 4096;

// `fsutil.types.Packet.PacketType`.
const STAT: u64 = 0;
const DATA: u64 = 2;
const FIN: u64 = 3;
const ERR: u64 = 4;

/// Go's `fs.ModeDir`.
const IS_FOLDER: u64 = 1 << 31;
/// Go's `fs.ModeType`, and symbolic and hard links, devices and the like.
const IS_SPECIAL: u64 = 0x8f28_0000;

/// Judges what the client sends of its folder.
#[derive(Debug)]
pub(super) struct Files {
    frames: Frames,
    undecided: Undecided,
    /// Nanoseconds since 1970.
    time: i64,
    stats: u32,
    open: BTreeMap<u32, File>,
    held: usize,
}

#[derive(Debug)]
struct File {
    name: String,
    data: Vec<u8>,
    /// What only says what is to be ignored passes as it is.
    passes: bool,
}

impl Files {
    pub(super) fn new(undecided: Undecided, time: i64) -> Self {
        let (open, frames) = (BTreeMap::new(), Frames::new(MAX_PACKET));
        Self { frames, undecided, time, stats: 0, open, held: 0 }
    }

    pub(super) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.frames.push(input);
        while let Some(message) = self.frames.next()? {
            let packet = Packet::read(&message).map_err(|why| unreadable("a packet", why))?;
            self.packet(packet, out)?;
        }
        Ok(())
    }

    pub(super) fn would_deny(&self) -> &[&'static str] {
        self.undecided.would_deny()
    }

    pub(super) fn end(&self) -> Result<(), Refusal> {
        self.frames.end()
    }

    fn packet(&mut self, packet: Packet, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match packet.kind {
            STAT => {
                let Some(stat) = packet.stat else {
                    frame::put(out, &Packet::of(STAT, 0).written());
                    return Ok(());
                };
                let stat = self.stat(stat)?;
                frame::put(out, &Packet { stat: Some(stat), ..Packet::of(STAT, 0) }.written());
            }
            DATA => self.data(packet, out)?,
            FIN | ERR => {
                frame::put(out, &packet.written());
            }
            _ => return Err(unreadable("a packet", "it is none that a client sends")),
        }
        Ok(())
    }

    fn stat(&mut self, stat: Stat) -> Result<Stat, Refusal> {
        let number = self.stats;
        self.stats += 1;
        if number >= MAX_FILES {
            return Err(refused(&stat.path, "is one file too many beside a Dockerfile"));
        }
        if stat.mode & IS_SPECIAL == IS_FOLDER && stat.linkname.is_empty() {
            return Ok(stat);
        }
        if stat.mode & IS_SPECIAL != 0 || !stat.linkname.is_empty() {
            return Err(refused(&stat.path, "is no file or folder, and the Dockerfile could be"));
        }
        let passes = stat.path.ends_with(".dockerignore");
        let file = File { name: stat.path.clone(), data: Vec::new(), passes };
        self.open.insert(number, file);
        self.time = self.time.wrapping_add(1);
        Ok(Stat { time: self.time.cast_unsigned(), ..stat })
    }

    /// A piece of a file; an empty one is its end.
    fn data(&mut self, packet: Packet, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let Some(file) = self.open.get_mut(&packet.id) else {
            return Err(unreadable("a packet", "it is of no file that was named"));
        };
        if file.passes {
            frame::put(out, &packet.written());
            return Ok(());
        }
        if !packet.data.is_empty() {
            self.held += packet.data.len();
            if self.held > MAX_BYTES {
                return Err(refused(&file.name, "is too large for a Dockerfile"));
            }
            file.data.extend_from_slice(&packet.data);
            return Ok(());
        }
        // What would come after the end is of no file.
        let Some(file) = self.open.remove(&packet.id) else { return Ok(()) };
        let text = String::from_utf8_lossy(&file.data);
        let asks = dockerfile::read(&text, Builder::BuildKit)?.into_iter();
        self.undecided.judge(asks.map(|ask| Fact { field: file.name.clone(), ask }).collect())?;
        self.held -= file.data.len();
        for data in file.data.chunks(PIECE) {
            let packet = Packet { data: data.to_vec(), ..Packet::of(DATA, packet.id) };
            frame::put(out, &packet.written());
        }
        frame::put(out, &Packet::of(DATA, packet.id).written());
        Ok(())
    }
}

/// The packet by which a sender says that it cannot go on.
pub(super) fn error(message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let packet = Packet { data: message.as_bytes().to_vec(), ..Packet::of(ERR, 0) };
    frame::put(&mut out, &packet.written());
    out
}

/// As the sender cuts files.
const PIECE: usize = 32 << 10;

fn refused(path: &str, why: &str) -> Refusal {
    let path = crate::escape::quoted(path.as_bytes());
    Refusal::forbidden(
        "content.entry",
        format!("may not build by what is beside this Dockerfile: {path} {why}"),
    )
}

/// `fsutil.types.Packet`.
#[derive(Debug)]
struct Packet {
    kind: u64,
    stat: Option<Stat>,
    id: u32,
    data: Vec<u8>,
}

/// `fsutil.types.Stat`, without extended attributes.
#[derive(Debug, Default)]
struct Stat {
    path: String,
    mode: u64,
    user: u64,
    group: u64,
    size: u64,
    time: u64,
    linkname: String,
}

impl Packet {
    fn of(kind: u64, id: u32) -> Self {
        Self { kind, stat: None, id, data: Vec::new() }
    }

    fn read(bytes: &[u8]) -> Result<Self, Bad> {
        let fields = proto::fields(bytes)?;
        proto::once(&fields, &[])?;
        let mut packet = Self::of(STAT, 0);
        for (number, value) in fields {
            match number {
                1 => packet.kind = value.number()?,
                2 => packet.stat = Some(Stat::read(value)?),
                3 => packet.id = u32::try_from(value.number()?).map_err(|_| "its file is none")?,
                4 => packet.data = value.bytes()?.to_vec(),
                _ => return Err(proto::UNKNOWN),
            }
        }
        Ok(packet)
    }

    fn written(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.data.len() + 16);
        proto::put_number(&mut out, 1, self.kind);
        if let Some(stat) = &self.stat {
            proto::put_bytes(&mut out, 2, &stat.written());
        }
        proto::put_number(&mut out, 3, u64::from(self.id));
        if !self.data.is_empty() {
            proto::put_bytes(&mut out, 4, &self.data);
        }
        out
    }
}

impl Stat {
    fn read(value: Value<'_>) -> Result<Self, Bad> {
        let fields = proto::fields(value.bytes()?)?;
        proto::once(&fields, &[XATTRS])?;
        let mut stat = Self::default();
        for (number, value) in fields {
            match number {
                1 => stat.path = value.text()?,
                2 => stat.mode = value.number()?,
                3 => stat.user = value.number()?,
                4 => stat.group = value.number()?,
                5 => stat.size = value.number()?,
                6 => stat.time = value.number()?,
                7 => stat.linkname = value.text()?,
                // Devices are none of the files here, and nobody reads attributes of a Dockerfile.
                8 | 9 | XATTRS => {}
                _ => return Err(proto::UNKNOWN),
            }
        }
        Ok(stat)
    }

    fn written(&self) -> Vec<u8> {
        let mut out = Vec::new();
        proto::put_text(&mut out, 1, &self.path);
        proto::put_number(&mut out, 2, self.mode);
        proto::put_number(&mut out, 3, self.user);
        proto::put_number(&mut out, 4, self.group);
        proto::put_number(&mut out, 5, self.size);
        proto::put_number(&mut out, 6, self.time);
        proto::put_text(&mut out, 7, &self.linkname);
        out
    }
}

const XATTRS: u32 = 10;
