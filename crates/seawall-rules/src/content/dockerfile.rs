//! The lines of a Dockerfile that reach for something: what it builds upon, what it copies from,
//! and the labels it sets.
//!
//! Releases of the engine differ in how they join lines. Where they do, each reading is judged;
//! what only one of them takes for an instruction names no stage.

use crate::facts::{Ask, ImageName, reserved_label, sets_reserved_label};
use crate::verdict::Refusal;

/// Who builds by a Dockerfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builder {
    /// BuildKit, which knows mounts and frontends besides.
    BuildKit,
    /// The classic builder.
    Classic,
}

/// What the engine may write on behalf of this file.
///
/// # Errors
/// A [`Refusal`] for what releases of the engine read too differently to be judged.
pub(crate) fn read(text: &str, builder: Builder) -> Result<Vec<Ask>, Refusal> {
    if builder == Builder::BuildKit {
        refuse_frontend(text)?;
    }
    let mut reading =
        Reading { builder, asks: Vec::new(), stages: Vec::new(), open: None, others: Vec::new() };
    for line in text.trim_start_matches('\u{feff}').lines() {
        reading.line(line)?;
    }
    reading.ended()?;
    Ok(reading.asks)
}

struct Reading {
    builder: Builder,
    asks: Vec<Ask>,
    /// Names of the stages so far, in lower case.
    stages: Vec<String>,
    /// The instruction that goes on in the next line.
    open: Option<String>,
    /// It began this many lines earlier for some engines.
    others: Vec<String>,
}

impl Reading {
    fn line(&mut self, line: &str) -> Result<(), Refusal> {
        let bare = line.trim_start();
        if let Some(comment) = bare.strip_prefix('#') {
            let (key, value) = comment.split_once('=').unwrap_or((comment, ""));
            if key.trim().eq_ignore_ascii_case("escape") && !value.trim().starts_with('\\') {
                return Err(refused("it has another escape character than `\\`"));
            }
            // An indented one ends the instruction before it in engines before 23.
            if self.open.is_some() && bare.len() < line.len() && !bare.trim_end().ends_with('\\') {
                self.others.push(String::new());
            }
            return Ok(());
        }
        if bare.is_empty() {
            return Ok(());
        }
        let end = line.trim_end_matches([' ', '\t']);
        let (text, goes_on) = match end.strip_suffix('\\') {
            Some(text) if text.ends_with('\\') => {
                return Err(refused("a line of it ends with two escape characters"));
            }
            Some(text) => (text, true),
            None => (line, false),
        };
        let (open, started) = match self.open.take() {
            Some(open) => (open, true),
            None => (String::new(), false),
        };
        let text_of_start = if started { text } else { text.trim_start() };
        for other in &mut self.others {
            other.push_str(text);
        }
        self.open = Some(open + text_of_start);
        if goes_on { Ok(()) } else { self.ended() }
    }

    /// The instruction is whole.
    fn ended(&mut self) -> Result<(), Refusal> {
        for other in std::mem::take(&mut self.others) {
            self.instruction(&other)?;
        }
        if let Some(line) = self.open.take()
            && let Some(stage) = self.instruction(&line)?.filter(|name| !name.is_empty())
        {
            self.stages.push(stage);
        }
        Ok(())
    }

    /// Judges one instruction, and returns the name of the stage that it begins; one without a
    /// name is empty.
    fn instruction(&mut self, line: &str) -> Result<Option<String>, Refusal> {
        let mut rest = line.trim();
        let mut name;
        loop {
            let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            (name, rest) = (word.to_ascii_lowercase(), after.trim_start());
            if name != "onbuild" {
                break;
            }
        }
        let words = rest.split_whitespace();
        match name.as_str() {
            "from" => {
                let mut words = words.skip_while(|word| word.starts_with("--"));
                let image = words.next().unwrap_or_default();
                let is_stage = self.stages.iter().any(|stage| *stage == image.to_lowercase());
                if image != "scratch" && !is_stage {
                    self.asks.push(Ask::Image(ImageName::new(image)));
                }
                return Ok(Some(words.nth(1).unwrap_or_default().to_lowercase()));
            }
            "add" | "copy" | "run" if words.clone().any(is_heredoc) => {
                return Err(refused(match self.builder {
                    Builder::BuildKit => "a here-document of it is not judged yet",
                    Builder::Classic => "a here-document of it needs BuildKit",
                }));
            }
            "run" if self.builder == Builder::BuildKit => self.mounts(rest)?,
            "copy" => {
                // The engine takes quotes and escapes out of a flag.
                for flag in words {
                    let flag = unquoted(flag);
                    let Some(from) = flag.strip_prefix("--from=") else { continue };
                    let is_stage = from.bytes().all(|byte| byte.is_ascii_digit())
                        || self.stages.iter().any(|stage| *stage == from.to_lowercase());
                    if !is_stage {
                        self.asks.push(Ask::Image(ImageName::new(from)));
                    }
                }
            }
            "label" if sets_reserved_label(rest) => self.asks.push(reserved_label()),
            _ => {}
        }
        Ok(None)
    }

    /// What the mounts of a `RUN` reach for. Quotes may join words, so all that could be an option
    /// of a mount is taken for one.
    fn mounts(&mut self, rest: &str) -> Result<(), Refusal> {
        let text = unquoted(rest);
        if !text.split_whitespace().any(|word| word.starts_with("--mount")) {
            return Ok(());
        }
        for option in text.split([',', ' ', '\t']) {
            let option = option.strip_prefix("--mount=").unwrap_or(option);
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            match key.to_ascii_lowercase().as_str() {
                "from" if !self.stages.iter().any(|stage| *stage == value.to_lowercase()) => {
                    self.asks.push(Ask::Image(ImageName::new(value)));
                }
                "type" if value.eq_ignore_ascii_case("cache") => {
                    return Err(refused(
                        "its cache mounts (`type=cache`) would be shared with everybody's builds",
                    ));
                }
                // What the option will be is known to the engine alone.
                "type" if value.contains('$') => {
                    return Err(refused("a mount of it is of a type that is not written plainly"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Refuses what could name another frontend than the engine's own: an image that runs, and that
/// reads the file as it likes. All spellings of all releases count, wherever they stand.
fn refuse_frontend(text: &str) -> Result<(), Refusal> {
    let text = text.trim_start_matches('\u{feff}');
    let names_one = |line: &str| {
        let line = line.trim();
        let comment = line.strip_prefix('#').or_else(|| line.strip_prefix("//"));
        let key = comment.and_then(|comment| comment.split_once('=')).map(|(key, _)| key.trim());
        key.is_some_and(|key| key.eq_ignore_ascii_case("syntax"))
    };
    if text.lines().any(names_one) || text.trim_start().starts_with('{') {
        return Err(refused(
            "it names a frontend (`# syntax=`), which is an image that would read it; without \
             that line the engine's own does",
        ));
    }
    Ok(())
}

/// Without what a parser may take out of a word.
fn unquoted(text: &str) -> String {
    text.replace(['\\', '"', '\''], "")
}

/// Whether a word begins a here-document: `<<EOF`, `3<<-EOF`; `<<<` is the shell's own.
fn is_heredoc(word: &str) -> bool {
    let word = word.trim_start_matches(|c: char| c.is_ascii_digit());
    word.strip_prefix("<<").is_some_and(|rest| !rest.starts_with('<'))
}

fn refused(why: &str) -> Refusal {
    Refusal::forbidden("content.dockerfile", format!("may not build by this Dockerfile: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(text: &str) -> Vec<String> {
        match read(text, Builder::Classic) {
            Ok(asks) => asks.iter().map(ToString::to_string).collect(),
            Err(refusal) => vec![refusal.rule.to_owned()],
        }
    }

    #[test]
    fn what_a_dockerfile_reaches_for_is_asked_for() {
        for (text, expected) in [
            ("FROM busybox\nRUN true", &["`busybox`"][..]),
            (
                "\u{feff}# syntax=x\n  from --platform=linux/amd64 a:1 AS Base\nFROM base",
                &["`a:1`"],
            ),
            ("FROM scratch\nCOPY --from=0 / /\nCOPY --chown=1 --from=x /a /b", &["`x`"]),
            ("FROM a AS b\nFROM c\nCOPY --from=B / /", &["`a`", "`c`"]),
            ("FROM a\nCOPY --from=b / /\nFROM c AS b", &["`a`", "`b`", "`c`"]),
            ("ARG X\nFROM $X", &["`$X`"]),
            ("FR\\\nOM a", &["`a`"]),
            ("RUN a \\\n\n# comment\nFROM b\nFROM c", &["`c`"]),
            // The comment ends `RUN` for some engines.
            ("FROM a\nRUN a \\\n  # b\nFROM c\nCOPY --from=c / /", &["`a`", "`c`", "`c`"]),
            ("FROM a\nRUN a \\\n  # b\nFR\\\nOM c", &["`a`", "`c`"]),
            ("FROM a\nCOPY --fr\\om=\"b\" / /", &["`a`", "`b`"]),
            ("FROM a\nONBUILD COPY --from=b / /", &["`a`", "`b`"]),
            ("FROM a\nLABEL a=b io.seawall.owner=x", &["`a`", "set"]),
            ("FROM a\nRUN cat <<EOF\nFROM b AS c\nEOF", &["content.dockerfile"]),
            ("FROM a\nRUN cat <<<EOF", &["`a`"]),
            ("#escape = `\nFROM a", &["content.dockerfile"]),
            ("FROM a\nRUN b \\\\\nFROM c", &["content.dockerfile"]),
            ("", &[]),
        ] {
            assert_eq!(asks(text), expected, "{text:?}");
        }
    }
}
