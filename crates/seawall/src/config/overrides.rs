//! Flags of the command line that win over keys of the file.

use std::collections::BTreeMap;

/// Flags that stand for keys.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub(super) values: BTreeMap<&'static str, (&'static str, Given)>,
    complete: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Given {
    Text(String),
    Texts(Vec<String>),
    Truth(bool),
}

impl Overrides {
    /// `flag` was given for the text key `key`.
    pub fn text(&mut self, key: &'static str, flag: &'static str, value: impl Into<String>) {
        self.values.insert(key, (flag, Given::Text(value.into())));
    }

    /// `flag` was given for the list key `key`, perhaps more than once.
    pub fn texts(&mut self, key: &'static str, flag: &'static str, values: Vec<String>) {
        self.values.insert(key, (flag, Given::Texts(values)));
    }

    /// `flag` was given for the yes-or-no key `key`.
    pub fn truth(&mut self, key: &'static str, flag: &'static str, value: bool) {
        self.values.insert(key, (flag, Given::Truth(value)));
    }

    /// The flags say all that is needed: the default file need not exist.
    pub fn suffice(&mut self) {
        self.complete = true;
    }

    pub(crate) fn are_complete(&self) -> bool {
        self.complete
    }
}
