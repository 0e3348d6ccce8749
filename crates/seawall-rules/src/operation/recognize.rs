//! From a strict head and a canonical target to a row of the table: everything that can be
//! refused without knowing who asks, and without the body.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::nearest::nearest;
use super::{BodyKind, BodySeen, Class, Operation, Request, Route, UpgradeKind};
use crate::escape::quoted;
use crate::facts::Facts;
use crate::head::{Framing, Method, RequestHead, Upgrade, is_form};
use crate::target::{ApiVersion, Target};
use crate::verdict::Refusal;

/// Unknown query keys that `admin` may send in one request: each is recorded by name.
const MAX_UNKNOWN: usize = 16;

/// Finds the operation of a request.
///
/// # Errors
/// A [`Refusal`] when no row fits, the version is below `floor`, a query key is unknown and
/// case-folds to a known one or repeats a single key, the body's framing or media type does not
/// fit the route (form and multipart nowhere), or the upgrade is not the route's.
pub fn recognize(
    head: RequestHead,
    mut target: Target,
    floor: ApiVersion,
) -> Result<Request, (Box<(RequestHead, Target)>, Refusal)> {
    match judge_shape(&head, &target, floor) {
        Ok(Shape { route, params, upgrade, unknown }) => {
            target.query.retain(|(name, _)| !is_body_field(route, name));
            let facts = Facts::of_target(route.operation, &params, &target.query);
            Ok(Request {
                head,
                target,
                route,
                params,
                body: None,
                facts,
                upgrade,
                unknown,
                scoped: None,
            })
        }
        Err(refusal) => Err((Box::new((head, target)), refusal)),
    }
}

struct Shape {
    route: &'static Route,
    params: Vec<String>,
    upgrade: Option<Upgrade>,
    unknown: Vec<String>,
}

fn judge_shape(head: &RequestHead, target: &Target, floor: ApiVersion) -> Result<Shape, Refusal> {
    if let Some(version) = target.version {
        check_version(version, floor)?;
    }
    let (route, params) =
        find(head.method, &target.segments).ok_or_else(|| unknown_route(head.method, target))?;
    if route.class == Class::Closed {
        // Nobody may, whatever else is in it: leave the answer to the judge.
        return Ok(Shape { route, params, upgrade: None, unknown: Vec::new() });
    }
    if let Some(version) = target.version {
        check_lifetime(route, version)?;
    }
    let unknown = check_query(route, &target.query)?;
    check_announced_body(route, head)?;
    let upgrade = check_upgrade(route, head.upgrade)?;
    Ok(Shape { route, params, upgrade, unknown })
}

/// The newest version is the engine's to refuse: it knows its own, and what is new in a later
/// one is unknown to the table and so refused by name.
fn check_version(version: ApiVersion, floor: ApiVersion) -> Result<(), Refusal> {
    if version < floor {
        // The engine's own words, which some clients look for.
        return Err(Refusal {
            status: 400,
            rule: "version.floor",
            reason: format!(
                "client version {version} is too old: this gate takes API version {floor} or \
                 newer (`min_api`)"
            ),
        });
    }
    if version.major != 1 {
        return Err(Refusal {
            status: 400,
            rule: "version.unknown",
            reason: format!("client version {version} is too new: this gate knows API version 1"),
        });
    }
    Ok(())
}

fn check_lifetime(route: &Route, version: ApiVersion) -> Result<(), Refusal> {
    let id = route.operation.as_str();
    if version < route.since {
        let since = route.since;
        return Err(Refusal::forbidden(
            "route.version",
            format!("{id} came with API version {since}, and this is a request of {version}"),
        ));
    }
    if let Some(until) = route.until.filter(|&until| version >= until) {
        return Err(Refusal::forbidden(
            "route.version",
            format!("{id} went with API version {until}, and this is a request of {version}"),
        ));
    }
    Ok(())
}

/// Returns the keys the row does not have.
fn check_query(route: &Route, query: &[(String, String)]) -> Result<Vec<String>, Refusal> {
    let id = route.operation.as_str();
    // INVARIANT: no row has more than 64 keys (tested with the table).
    let mut seen = 0_u64;
    let mut unknown: Vec<String> = Vec::new();
    for (name, _) in query {
        let repeated = || {
            Refusal::malformed(
                "query.repeated",
                format!("the query key {} of {id} may be given once", quoted(name.as_bytes())),
            )
        };
        if let Some(place) = route.query.iter().position(|key| route.takes_for(key, name)) {
            let bit = 1_u64 << place;
            if seen & bit != 0 && !route.query[place].repeats {
                return Err(repeated());
            }
            seen |= bit;
            continue;
        }
        if let Some(known) = route.query.iter().find(|key| folds_to(name, key.name)) {
            return Err(Refusal::malformed(
                "query.case",
                format!("{id} has no query key {}, but `{}`", quoted(name.as_bytes()), known.name),
            ));
        }
        if is_body_field(route, name) {
            continue;
        }
        if unknown.contains(name) {
            return Err(repeated());
        }
        if unknown.len() == MAX_UNKNOWN {
            return Err(Refusal::malformed(
                "query.too-many",
                format!("{id} is given more than {MAX_UNKNOWN} unknown query keys"),
            ));
        }
        unknown.push(name.clone());
    }
    Ok(unknown)
}

/// Whether a query key is a field of the body, which docker-modem (dockerode) repeats in the query
/// of a create. The engine reads none of them there: its query keys begin with a small letter.
/// They go no further than the gate.
fn is_body_field(route: &Route, name: &str) -> bool {
    matches!(route.body, BodyKind::Json | BodyKind::OptionalJson)
        && name.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Whether a request of this route may have the body that its head announces.
fn check_announced_body(route: &Route, head: &RequestHead) -> Result<(), Refusal> {
    let media = head.content_type.as_deref();
    // Go reads such a body into the same map as the query, and prefers it (seen on 20.10).
    if let Some(form) = media.filter(|media| is_form(media)) {
        return Err(Refusal::malformed(
            "body.form",
            format!("a body of type {} is taken nowhere", quoted(form.as_bytes())),
        ));
    }
    match head.framing {
        // An empty chunked body is no body: `check_body` judges it when it has been read.
        Framing::Chunked => Ok(()),
        Framing::Length(_) => check_body(route, media, BodySeen::Present),
        Framing::None => check_body(route, media, BodySeen::Absent),
    }
}

/// Whether a request of this route may have a body of this media type, or none.
pub(super) fn check_body(
    route: &Route,
    media: Option<&str>,
    body: BodySeen,
) -> Result<(), Refusal> {
    let id = route.operation.as_str();
    let present = body == BodySeen::Present;
    match route.body {
        BodyKind::None if present => {
            Err(Refusal::malformed("body.unexpected", format!("{id} takes no body")))
        }
        BodyKind::Json if !present => {
            Err(Refusal::malformed("body.missing", format!("{id} takes a JSON body")))
        }
        BodyKind::Ignored | BodyKind::Json | BodyKind::OptionalJson
            if present && media != Some("application/json")
                // Podman's own client names none.
                && !(route.is_libpod() && media.is_none()) =>
        {
            Err(Refusal::malformed(
                "body.media-type",
                format!(
                    "the body of {id} must have `Content-Type: application/json`, not {}",
                    media.map_or("none".to_owned(), |media| quoted(media.as_bytes()))
                ),
            ))
        }
        BodyKind::Ignored
        | BodyKind::Json
        | BodyKind::None
        | BodyKind::OptionalJson
        | BodyKind::Stream => Ok(()),
    }
}

fn check_upgrade(route: &Route, asked: Option<Upgrade>) -> Result<Option<Upgrade>, Refusal> {
    let id = route.operation.as_str();
    match (route.upgrade, asked) {
        // RFC 9110 section 7.8: a server may ignore it, as the engine does. java.net.http and
        // `curl --http2` ask for h2c wherever there is no TLS.
        (UpgradeKind::None, None | Some(Upgrade::H2c)) => Ok(None),
        (UpgradeKind::RawStream, None) => Ok(None),
        (kind, asked) if asked.is_some() && asked == kind.protocol() => Ok(asked),
        (UpgradeKind::H2c | UpgradeKind::Websocket, None) => Err(Refusal::malformed(
            "upgrade.missing",
            format!("{id} is nothing without its `Upgrade`"),
        )),
        // The engine takes any `Upgrade` on an upgrading route for the one it has.
        (_, _) => Err(Refusal::malformed(
            "upgrade.unexpected",
            format!("{id} does not upgrade to the protocol asked for"),
        )),
    }
}

/// One row, taken apart for matching.
struct Pattern {
    route: &'static Route,
    parts: Vec<Part>,
}

#[derive(Clone, Copy)]
enum Part {
    Literal(&'static str),
    /// `{id}`: one segment.
    One,
    /// `{name...}`: one or more.
    Many,
    /// `**`: none or more.
    Rest,
}

/// The rows by their first segment, in the order of the table.
static PATTERNS: LazyLock<HashMap<&'static str, Vec<Pattern>>> = LazyLock::new(|| {
    let mut patterns: HashMap<_, Vec<Pattern>> = HashMap::new();
    for operation in Operation::ALL {
        let route = operation.route();
        let parts: Vec<_> = route
            .template
            .split('/')
            .skip(1)
            .map(|part| match part {
                "**" => Part::Rest,
                part if part.ends_with("...}") => Part::Many,
                part if part.starts_with('{') => Part::One,
                part => Part::Literal(part),
            })
            .collect();
        let first = route.template.split('/').nth(1).unwrap_or_default();
        patterns.entry(first).or_default().push(Pattern { route, parts });
    }
    patterns
});

fn find(method: Method, segments: &[String]) -> Option<(&'static Route, Vec<String>)> {
    let candidates = PATTERNS.get(segments.first()?.as_str())?;
    candidates
        .iter()
        .find(|pattern| {
            (pattern.route.method == method || pattern.route.class == Class::Closed)
                && matches(&pattern.parts, segments)
        })
        .map(|pattern| (pattern.route, params(&pattern.parts, segments)))
}

/// Whether whole segments match the whole template. The engine's `{name:.*}` takes slashes as
/// well, and its fixed last segment ends the name: so does `{name...}`. Container, exec, volume
/// and network names have no slash, so there it takes one segment.
fn matches(parts: &[Part], segments: &[String]) -> bool {
    match (parts, segments) {
        ([], []) | ([Part::Rest], _) => true,
        ([Part::Literal(literal), parts @ ..], [segment, segments @ ..]) => {
            segment == literal && matches(parts, segments)
        }
        ([Part::One, parts @ ..], [_, segments @ ..]) => matches(parts, segments),
        ([Part::Many, parts @ ..], _) => {
            segments.len() > parts.len()
                && matches(parts, &segments[segments.len() - parts.len()..])
        }
        _ => false,
    }
}

fn params(parts: &[Part], segments: &[String]) -> Vec<String> {
    // Templates have at most one `{name...}`, so it has what the others leave.
    let many = segments.len() + 1 - parts.len().min(segments.len() + 1);
    let mut params = Vec::new();
    let mut at = 0;
    for part in parts {
        match part {
            Part::Literal(_) => at += 1,
            Part::One => {
                params.push(segments[at].clone());
                at += 1;
            }
            Part::Many => {
                params.push(segments[at..at + many].join("/"));
                at += many;
            }
            Part::Rest => {}
        }
    }
    params
}

fn unknown_route(method: Method, target: &Target) -> Refusal {
    let path = path_of(target);
    let shown = quoted(path.as_bytes());
    let first = target.segments.first().map(String::as_str).unwrap_or_default();
    let other: Vec<_> = PATTERNS
        .get(first)
        .into_iter()
        .flatten()
        // A template that ends in a name takes any path, so it says nothing about this one.
        .filter(|pattern| !matches!(pattern.parts.last(), Some(Part::Many)))
        .filter(|pattern| matches(&pattern.parts, &target.segments))
        .map(|pattern| pattern.route.method.as_str())
        .collect();
    if !other.is_empty() {
        return Refusal::forbidden(
            "route.method",
            format!("{shown} takes {}, not {}", other.join(" or "), method),
        );
    }
    let templates = Operation::ALL.iter().map(|operation| operation.route().template);
    let hint = nearest(&path, templates)
        .map(|template| format!("; the nearest known one is `{template}`"))
        .unwrap_or_default();
    Refusal::forbidden("route.unknown", format!("the path {shown} is no known operation{hint}"))
}

fn path_of(target: &Target) -> String {
    target.segments.iter().fold(String::new(), |path, segment| path + "/" + segment)
}

/// Whether Go's case folding takes one key for the other: simple folding, in which `ſ` is an
/// `s` and the Kelvin sign a `k`.
fn folds_to(name: &str, known: &str) -> bool {
    let fold = |c: char| c.to_uppercase().flat_map(char::to_lowercase).collect::<String>();
    // Every known key is ASCII, so a name of another length in characters is none of them.
    name.chars().count() == known.len()
        && name.chars().zip(known.chars()).all(|(a, b)| fold(a) == fold(b))
}
