//! What a command is given to read.

use std::io::{self, Read as _};
use std::path::Path;

/// The text of a file, or of standard input for `-`; nothing is read beyond `most` bytes.
///
/// # Errors
/// What the system says, or that it is not UTF-8.
pub(super) fn read_text(file: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin().take(most).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(file)?.take(most).read_to_string(&mut text)?;
    }
    Ok(text)
}
