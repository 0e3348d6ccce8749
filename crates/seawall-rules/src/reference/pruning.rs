//! The `filters` of a prune, read as the engine reads them.

use serde_json::Value;

use super::{Kind, filter};
use crate::escape::quoted;
use crate::target::{ApiVersion, Target};
use crate::verdict::Refusal;

/// What is to be pruned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruning {
    /// All volumes, not only those without a name.
    pub all: bool,
    /// Images without a name alone.
    pub dangling: bool,
    /// Made before this moment, as it is written.
    pub until: Option<String>,
    with: Vec<String>,
    without: Vec<String>,
}

impl Pruning {
    pub(super) fn read(kind: Kind, target: &Target) -> Result<Self, Refusal> {
        // Before 1.42 there was no difference between volumes.
        let all = target.version.is_some_and(|version| version < ApiVersion::new(1, 42));
        let mut pruning = Self { all, dangling: true, ..Self::default() };
        for (key, values) in filter::read(&target.query)? {
            let words = filter::words(&key, &values)?;
            match (key.as_str(), kind, &words[..]) {
                ("label", ..) => pruning.with = words,
                ("label!", ..) => pruning.without = words,
                ("until", Kind::Container | Kind::Image | Kind::Network, [until]) => {
                    pruning.until = Some(until.clone());
                }
                ("dangling", Kind::Image, [word]) => pruning.dangling = truth(&key, word)?,
                ("all", Kind::Volume, [word]) => pruning.all = truth(&key, word)?,
                _ => {
                    let shown = quoted(key.as_bytes());
                    let reason = format!("may not prune by the filter {shown}: it is not known");
                    return Err(Refusal::forbidden("isolation.filter", reason));
                }
            }
        }
        Ok(pruning)
    }

    /// Whether something with these labels is meant.
    pub fn matches(&self, labels: &Value) -> bool {
        let has = |word: &String| match word.split_once('=') {
            Some((name, value)) => labels.get(name).and_then(Value::as_str) == Some(value),
            None => labels.get(word).is_some(),
        };
        let left_out = !self.without.is_empty() && self.without.iter().all(has);
        self.with.iter().all(has) && !left_out
    }
}

/// As the engine reads one.
fn truth(key: &str, word: &str) -> Result<bool, Refusal> {
    match word {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => {
            let shown = quoted(key.as_bytes());
            let reason = format!("the filter {shown} is neither `true` nor `false`");
            Err(Refusal::malformed("query.filters", reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: Kind, filters: &str) -> Result<Pruning, &'static str> {
        let target = format!("/v1.42/x/prune?filters={}", filters.replace('"', "%22"));
        let target = crate::target::parse(&target).expect("a target");
        Pruning::read(kind, &target).map_err(|refusal| refusal.rule)
    }

    #[test]
    fn filters_that_are_not_known_prune_nothing() {
        for (kind, filters, rule) in [
            (Kind::Container, r#"{"id":["x"]}"#, "isolation.filter"),
            (Kind::Container, r#"{"dangling":["true"]}"#, "isolation.filter"),
            (Kind::Volume, r#"{"until":["1h"]}"#, "isolation.filter"),
            (Kind::Container, r#"{"until":["1h","2h"]}"#, "isolation.filter"),
            (Kind::Image, r#"{"dangling":["perhaps"]}"#, "query.filters"),
            (Kind::Image, r#"{"label":"x"}"#, "query.filters"),
        ] {
            assert_eq!(read(kind, filters).unwrap_err(), rule, "{filters}");
        }
        let all = read(Kind::Volume, r#"{"all":{"true":true}}"#).unwrap();
        assert!(all.all && !read(Kind::Volume, "{}").unwrap().all);
        assert!(!read(Kind::Image, r#"{"dangling":["0"]}"#).unwrap().dangling);
    }

    #[test]
    fn labels_choose_as_in_the_engine() {
        let labels = json!({ "a": "1", "b": "" });
        for (filters, meant) in [
            ("{}", true),
            (r#"{"label":["a"]}"#, true),
            (r#"{"label":["a=1","b"]}"#, true),
            (r#"{"label":["a=2"]}"#, false),
            (r#"{"label":["a","c"]}"#, false),
            (r#"{"label!":["a"]}"#, false),
            (r#"{"label!":["a","c"]}"#, true),
        ] {
            let pruning = read(Kind::Network, filters).unwrap();
            assert_eq!(pruning.matches(&labels), meant, "{filters}");
        }
    }
}
