//! What an archive may be compressed by, told by its first bytes as the engine tells it. gzip and
//! zstd are decoded, so that what goes to the engine is plain; the engine's programs for the
//! others are not run on what a role sends.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::verdict::Refusal;

/// Bytes by which the engine tells a compression (moby `archive.DetectCompression`).
const START: usize = 10;

/// Compressed bytes that are decoded at once: deflate makes at most 1032 bytes of one.
const PIECE: usize = 1024;

/// Decoded bytes that need not come from a fitting number of compressed ones.
const FREE: u64 = 256 << 20;

/// And beyond these, how many may come from one.
const RATIO: u64 = 200;

/// The largest window of zstd that is decoded; `zstd -19` asks for no more.
const WINDOW: u64 = 8 << 20;

/// A decoder of what it turns out to be given.
pub(super) struct Decoder {
    coding: Coding,
    /// The first bytes, or a block of zstd, that has not come whole.
    waiting: Vec<u8>,
    taken: u64,
    made: u64,
}

enum Coding {
    Unknown,
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd(Box<Zstd>),
}

struct Zstd {
    decoder: FrameDecoder,
    place: Place,
}

/// What of a zstd stream comes next.
enum Place {
    Frame,
    Block { checksum: bool },
}

/// Whether the engine would take a stream that begins so for a compressed one.
pub(super) fn is_compressed(start: &[u8]) -> bool {
    !matches!(coding_of(start), Ok(Coding::Plain))
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { coding: Coding::Unknown, waiting: Vec::new(), taken: 0, made: 0 }
    }

    /// Decodes from the front of `input` onto `out`, and says how much of it was taken: never
    /// nothing where there is something, and never so much that a few bytes become many at once.
    ///
    /// # Errors
    /// A [`Refusal`] for a compression that is not decoded, for what is malformed, and for what
    /// grows beyond measure.
    pub(super) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Refusal> {
        let before = out.len();
        let n = match &mut self.coding {
            Coding::Unknown => {
                let n = input.len().min(START - self.waiting.len());
                self.waiting.extend_from_slice(&input[..n]);
                if self.waiting.len() == START {
                    self.begin(out)?;
                }
                n
            }
            Coding::Plain => {
                out.extend_from_slice(input);
                input.len()
            }
            Coding::Gzip(decoder) => {
                let n = input.len().min(PIECE);
                decoder.write_all(&input[..n]).map_err(|_| malformed("gzip"))?;
                out.append(decoder.get_mut());
                n
            }
            Coding::Zstd(zstd) => {
                let n = input.len().min(PIECE);
                self.waiting.extend_from_slice(&input[..n]);
                zstd.decode(&mut self.waiting, out)?;
                n
            }
        };
        self.taken += n as u64;
        self.made += (out.len() - before) as u64;
        if self.made > FREE && self.made / RATIO > self.taken {
            return Err(Refusal {
                status: 413,
                rule: "content.ratio",
                reason: format!("the archive becomes more than {RATIO} times as large"),
            });
        }
        Ok(n)
    }

    /// All has come.
    ///
    /// # Errors
    /// A [`Refusal`] for a compressed stream that is cut short or whose checksum is wrong.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if matches!(self.coding, Coding::Unknown) {
            self.begin(out)?;
        }
        match &mut self.coding {
            Coding::Unknown | Coding::Plain => Ok(()),
            Coding::Gzip(decoder) => {
                decoder.try_finish().map_err(|_| malformed("gzip"))?;
                out.append(decoder.get_mut());
                Ok(())
            }
            Coding::Zstd(zstd) => match zstd.place {
                Place::Frame if self.waiting.is_empty() => Ok(()),
                _ => Err(malformed("zstd")),
            },
        }
    }

    /// The first bytes are there.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.coding = coding_of(&self.waiting)?;
        match &mut self.coding {
            Coding::Unknown => {}
            Coding::Plain => out.append(&mut self.waiting),
            Coding::Gzip(decoder) => {
                decoder.write_all(&self.waiting).map_err(|_| malformed("gzip"))?;
                self.waiting.clear();
            }
            Coding::Zstd(zstd) => zstd.decode(&mut self.waiting, out)?,
        }
        Ok(())
    }
}

fn coding_of(start: &[u8]) -> Result<Coding, Refusal> {
    let refused = |name: &str| {
        Refusal::forbidden(
            "content.compression",
            format!("may not send an archive compressed by {name}: use gzip, zstd or none"),
        )
    };
    match start {
        [0x1f, 0x8b, 0x08, ..] => Ok(Coding::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = FrameDecoder::new();
            decoder.set_max_window_size(WINDOW);
            Ok(Coding::Zstd(Box::new(Zstd { decoder, place: Place::Frame })))
        }
        [b'B', b'Z', b'h', ..] => Err(refused("bzip2")),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(refused("xz")),
        // A frame of zstd to be skipped.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Err(refused("zstd with a frame to be skipped")),
        _ => Ok(Coding::Plain),
    }
}

impl Zstd {
    /// Decodes the frames and blocks (RFC 8878 section 3.1.1) that stand whole in `input`, one by
    /// one: a block is at most 128 KiB, before and after.
    fn decode(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        loop {
            let wanted = match self.place {
                Place::Frame => match input.get(4) {
                    Some(&descriptor) => frame_header(descriptor),
                    None => return Ok(()),
                },
                Place::Block { checksum } => match input.get(..3) {
                    Some(&[a, b, c]) => {
                        block(a, b, c, checksum).ok_or_else(|| malformed("zstd"))?
                    }
                    _ => return Ok(()),
                },
            };
            let Some(piece) = input.get(..wanted) else { return Ok(()) };
            self.place = match self.place {
                Place::Frame => {
                    self.decoder.reset(piece).map_err(|_| malformed("zstd"))?;
                    Place::Block { checksum: piece[4] & 4 != 0 }
                }
                Place::Block { checksum } => {
                    let one = BlockDecodingStrategy::UptoBlocks(1);
                    let last =
                        self.decoder.decode_blocks(piece, one).map_err(|_| malformed("zstd"))?;
                    self.decoder.collect_to_writer(&mut *out).map_err(|_| malformed("zstd"))?;
                    let read = self.decoder.get_checksum_from_data();
                    if last && checksum && read != self.decoder.get_calculated_checksum() {
                        return Err(malformed("zstd"));
                    }
                    if last { Place::Frame } else { Place::Block { checksum } }
                }
            };
            input.drain(..wanted);
        }
    }
}

/// Bytes of a frame's header with its magic number, by its descriptor.
fn frame_header(descriptor: u8) -> usize {
    let single_segment = descriptor & 0x20 != 0;
    let window = usize::from(!single_segment);
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content = [usize::from(single_segment), 2, 4, 8][usize::from(descriptor >> 6)];
    5 + window + dictionary + content
}

/// Bytes of a block with its header, and of the checksum after the last one.
fn block(a: u8, b: u8, c: u8, checksum: bool) -> Option<usize> {
    let header = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
    let size = header >> 3;
    let content = match header >> 1 & 3 {
        0 | 2 if size <= MAX_BLOCK => size,
        // One byte, so many times.
        1 if size <= MAX_BLOCK => 1,
        _ => return None,
    };
    let last = header & 1 == 1;
    Some(3 + content + if last && checksum { 4 } else { 0 })
}

/// RFC 8878 section 3.1.1.2.4.
const MAX_BLOCK: usize = 128 << 10;

fn malformed(name: &str) -> Refusal {
    Refusal::malformed(
        "content.compression",
        format!("the {name} stream is malformed or cut short"),
    )
}
