//! `seawall log show`: everything recorded of one request.

use serde_json::{Value, json};

use super::super::Context;
use super::super::report::{self, Doing as _, Error};
use super::TrailDir;
use super::line::duration;
use crate::audit::read::{Entry, Found, Request, find};
use crate::audit::visible;

/// Show everything recorded of one request
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  seawall log show 7f3a91c2d405-3")]
pub(super) struct Args {
    /// The request's id, or enough of its beginning
    id: String,
    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, trail: &TrailDir, args: &Args) -> Result<(), Error> {
    let id = args.id.escape_debug();
    match find(&trail.dir, &args.id).doing(|| "read the trail".to_owned())? {
        Found::One(request) if context.json => {
            let record =
                |entry: &Option<Entry>| -> Value { entry.as_ref().map_or(Value::Null, fields) };
            let both = json!({
                "decision": record(&request.decision),
                "outcome": record(&request.outcome),
            });
            report::print(format!("{both}\n"))
        }
        Found::One(request) => report::print(text(&request)),
        Found::Several(ids) => {
            Err(Error::failed(format!("several requests have an id that begins with `{id}`"))
                .hint(ids.iter().map(|id| visible(id)).collect::<Vec<_>>().join(", ")))
        }
        Found::None => Err(Error::failed(format!("no request `{id}` in this trail"))
            .hint("`seawall log tail` shows ids; retention may have removed it")),
    }
}

fn fields(entry: &Entry) -> Value {
    serde_json::from_str(&entry.line).unwrap_or_default()
}

fn text(request: &Request) -> String {
    let mut text = String::new();
    let records = [("decided", &request.decision), ("ended", &request.outcome)];
    for (what, entry) in records {
        let Some(entry) = entry else {
            text += &format!(
                "{what:<12} {}\n",
                match what {
                    "decided" => "no longer in the trail",
                    _ => "not yet",
                }
            );
            continue;
        };
        text += &format!("{what:<12} {}\n", visible(&entry.time));
        let Value::Object(fields) = fields(entry) else { continue };
        for (name, value) in fields {
            let shown = match (name.as_str(), value) {
                ("seq" | "time" | "kind", _) => continue,
                ("id", _) if what == "ended" => continue,
                ("prev", value) => value.as_str().unwrap_or_default().to_owned(),
                ("took_us", Value::Number(n)) => n.as_u64().map(duration).unwrap_or_default(),
                (_, Value::Null) => "-".to_owned(),
                (_, Value::String(text)) => text,
                (_, Value::Array(list)) if list.is_empty() => continue,
                (_, value) => value.to_string(),
            };
            let name = match name.as_str() {
                "took_us" => "took".to_owned(),
                "prev" => "chained to".to_owned(),
                name => name.replace('_', " "),
            };
            text += &format!("  {:<12} {}\n", visible(&name), visible(&shown));
        }
        text += &format!("  {:<12} {} (record {})\n", "stands at", entry.place, entry.seq);
    }
    text
}
