//! Everything that is wrong with a configuration, told at once: where, the line, what would be
//! right.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use crate::cli::report::Error;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// Bytes of the file.
    File(Range<usize>),
    /// A flag, as typed: `--host`.
    Flag(&'static str),
}

/// The complaints so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Problem>,
}

#[derive(Clone, Debug)]
struct Problem {
    origin: Origin,
    message: String,
    hint: Option<String>,
}

impl Problems {
    /// Adds a complaint about the value at `origin`.
    pub(crate) fn add(&mut self, origin: &Origin, message: String, hint: Option<String>) {
        self.found.push(Problem { origin: origin.clone(), message, hint });
    }

    /// Whether there is nothing to complain about.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All complaints as one error, in the order of the file; `text` is what stands at `path`.
    pub(crate) fn into_error(mut self, path: &Path, text: &str) -> Error {
        self.found.sort_by_key(|problem| match &problem.origin {
            Origin::Flag(_) => (0, 0),
            Origin::File(span) => (1, span.start),
            Origin::Default => (2, 0),
        });
        let told: Vec<_> = self.found.iter().map(|problem| problem.tell(path, text)).collect();
        Error::usage(told.join("\nerror: "))
    }
}

impl Problem {
    fn tell(&self, path: &Path, text: &str) -> String {
        let mut told = match &self.origin {
            Origin::Default => format!("{}: {}", path.display(), self.message),
            Origin::Flag(flag) => format!("{flag}: {}", self.message),
            Origin::File(span) => {
                let place = Place::of(span, text);
                let number = place.line_number.to_string();
                let margin = " ".repeat(number.len());
                format!(
                    "{}:{number}:{}: {}\n{margin} |\n{number} | {}\n{margin} | {}{}",
                    path.display(),
                    place.column,
                    self.message,
                    place.line,
                    " ".repeat(place.column - 1),
                    "^".repeat(place.width),
                )
            }
        };
        if let Some(hint) = &self.hint {
            // Writing to a String cannot fail.
            let _ = write!(told, "\nhint: {hint}");
        }
        told
    }
}

/// A span as people count: lines and columns from 1, columns in characters.
struct Place {
    line_number: usize,
    column: usize,
    /// Characters to underline, at least one.
    width: usize,
    /// The line, one printable character for each of its characters.
    line: String,
}

impl Place {
    fn of(span: &Range<usize>, text: &str) -> Self {
        let start = floor_char_boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = floor_char_boundary(text, span.end).clamp(start, line_end);
        let printable = |c: char| match c {
            '\t' => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        };
        Self {
            line_number: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: text[start..end].chars().count().max(1),
            line: text[line_start..line_end].trim_end().chars().map(printable).collect(),
        }
    }
}

fn floor_char_boundary(text: &str, index: usize) -> usize {
    let index = index.min(text.len());
    (0..=index).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}
