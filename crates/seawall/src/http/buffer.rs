//! Bytes that were read and not yet used.

/// A buffer that grows while reads fill it to the brim, and keeps its size: a connection that
/// never streams never pays for large reads.
#[derive(Debug, Default)]
pub struct Buffer {
    storage: Vec<u8>,
    start: usize,
    end: usize,
    brimmed: bool,
}

impl Buffer {
    /// What is in it.
    pub fn data(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes `n` bytes off the front.
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Free space to read into, so that at most `most` bytes are held; empty when they are.
    /// Grows after a read that left none.
    pub fn space(&mut self, most: usize) -> &mut [u8] {
        let held = self.end - self.start;
        if (self.brimmed || held == self.storage.len()) && self.storage.len() < most {
            let size = (self.storage.len() * 4).clamp(SMALLEST.min(most), most);
            self.storage.resize(size, 0);
            self.brimmed = false;
        }
        // To the front: when there is no other space, or little to move for much space.
        let full = self.end == self.storage.len();
        if self.start > 0 && (full || held < self.start && self.end > self.storage.len() / 2) {
            self.storage.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = held;
        }
        let end = self.storage.len().min(self.end + most.saturating_sub(held));
        &mut self.storage[self.end..end]
    }

    /// Says that `n` bytes of [`Buffer::space`] were filled.
    pub fn filled(&mut self, n: usize) {
        self.end = (self.end + n).min(self.storage.len());
        self.brimmed = n > 0 && self.end == self.storage.len();
    }
}

/// First size: a request head of the Docker CLI is well below 1 KiB.
const SMALLEST: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn put(buffer: &mut Buffer, bytes: &[u8], most: usize) -> usize {
        let space = buffer.space(most);
        let n = space.len().min(bytes.len());
        space[..n].copy_from_slice(&bytes[..n]);
        buffer.filled(n);
        n
    }

    #[test]
    fn what_goes_in_comes_out_in_order_and_within_the_bound() {
        let source: Vec<u8> = (0..400_000_u32).map(|n| (n % 251) as u8).collect();
        for (most, take) in [(10_000, 1), (64 * 1024, 5000), (256 * 1024, 300_000), (8192, 7)] {
            let mut buffer = Buffer::default();
            let (mut written, mut read) = (0, 0);
            while read < source.len().min(take * 4000) {
                written += put(&mut buffer, &source[written..], most);
                assert!(buffer.data().len() <= most);
                assert_eq!(buffer.data(), &source[read..written]);
                let n = buffer.data().len().min(take);
                buffer.consume(n);
                read += n;
            }
        }
    }

    #[test]
    fn a_full_buffer_offers_no_space() {
        let mut buffer = Buffer::default();
        while put(&mut buffer, &[7; 4096], 20_000) > 0 {}
        assert_eq!(buffer.data().len(), 20_000);
        buffer.consume(1);
        assert_eq!(put(&mut buffer, &[7; 4096], 20_000), 1);
    }
}
