//! The `filters` of a list, narrowed to what is one's own.

use serde_json::{Map, Value};

use super::Kind;
use crate::escape::quoted;
use crate::json::{self, Names};
use crate::verdict::Refusal;

/// No container and no network has this id.
const NO_ID: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// No volume has this name; names are compared as regular expressions.
const NO_NAME: &str = "^$";

/// Filters that fail for a name that nothing has, and so tell which names others have.
const TELLING: &[&str] = &["before", "since"];

type Query = Vec<(String, String)>;

pub(super) fn narrow(query: &mut Query, kind: Kind, own: &[String]) -> Result<(), Refusal> {
    let mut filters = read(query)?;
    refuse_telling(&filters)?;
    query.retain(|(key, _)| !TELLING.contains(&key.as_str()));
    let key = if kind == Kind::Volume { "name" } else { "id" };
    let asked = filters.remove(key).map(|values| words(key, &values)).transpose()?;
    let wanted = |id: &&String| asked.as_ref().is_none_or(|all| all.iter().any(|a| id.contains(a)));
    let exact = |id: &String| match kind {
        Kind::Volume => format!("^{}$", id.replace('.', "\\.")),
        Kind::Container | Kind::Exec | Kind::Image | Kind::Network | Kind::Pulled | Kind::Tag => {
            id.clone()
        }
    };
    let mut values: Map<String, Value> =
        own.iter().filter(wanted).map(|id| (exact(id), Value::Bool(true))).collect();
    if values.is_empty() {
        let none = if kind == Kind::Volume { NO_NAME } else { NO_ID };
        values.insert(none.to_owned(), Value::Bool(true));
    }
    filters.insert(key.to_owned(), Value::Object(values));
    write(query, filters)
}

/// Refuses filters that tell of things of others.
pub(super) fn tells_nothing(query: &Query) -> Result<(), Refusal> {
    refuse_telling(&read(query)?)
}

fn refuse_telling(filters: &Map<String, Value>) -> Result<(), Refusal> {
    match TELLING.iter().find(|name| filters.contains_key(**name)) {
        None => Ok(()),
        Some(name) => Err(Refusal::forbidden(
            "isolation.filter",
            format!("may not filter by `{name}`: it would tell what belongs to others"),
        )),
    }
}

pub(super) fn read(query: &Query) -> Result<Map<String, Value>, Refusal> {
    let written = query.iter().find(|(key, _)| key == "filters").map(|(_, value)| value.as_str());
    let Some(written) = written.filter(|written| !written.is_empty()) else {
        return Ok(Map::new());
    };
    let document = json::parse_with(written.as_bytes(), Names::Exact)
        .map_err(|refusal| Refusal { rule: "query.filters", ..refusal })?;
    match document.into_value() {
        Value::Object(filters) => Ok(filters),
        Value::Null => Ok(Map::new()),
        _ => Err(unreadable("filters")),
    }
}

/// The words of a filter: the engine takes a list, or a map of whatever truth.
pub(super) fn words(key: &str, values: &Value) -> Result<Vec<String>, Refusal> {
    match values {
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| unreadable(key)))
            .collect(),
        Value::Object(members) => Ok(members.keys().cloned().collect()),
        _ => Err(unreadable(key)),
    }
}

fn unreadable(key: &str) -> Refusal {
    let shown = quoted(key.as_bytes());
    Refusal::malformed("query.filters", format!("the filter {shown} is no list of texts"))
}

/// All in one form: the engine takes maps or lists, not both at once.
fn write(query: &mut Query, filters: Map<String, Value>) -> Result<(), Refusal> {
    let mut same = Map::new();
    for (key, values) in filters {
        let words = words(&key, &values)?;
        let values = words.into_iter().map(|word| (word, Value::Bool(true))).collect();
        same.insert(key, Value::Object(values));
    }
    query.retain(|(key, _)| key != "filters");
    query.push(("filters".to_owned(), Value::Object(same).to_string()));
    Ok(())
}
