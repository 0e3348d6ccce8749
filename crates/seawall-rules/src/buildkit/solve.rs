//! What a client asks BuildKit to build: `Control.Solve`, and `LLBBridge.Solve` of a client that
//! runs the frontend by itself (buildx). Both come down to the same request that the docker
//! command line would make, an `ImageBuild`, and are judged as that; and both are written afresh.
//!
//! Field by field, attribute by attribute: what is in no table here is refused.

use serde_json::{Map, Value as Json, json};

use super::proto::{self, Bad, Value};
use super::{refused, unreadable};
use crate::head::{Framing, Method, RequestHead, Version};
use crate::json::{self, Names};
use crate::operation::{Operation, Request, recognize};
use crate::target::{ApiVersion, Target};
use crate::verdict::Refusal;

/// What is to be built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Solve {
    /// What the client calls the build; none of a frontend's own call.
    pub name: String,
    /// The session by which it is sent what it builds; none of a frontend's own call.
    pub session: String,
    frontend: String,
    attributes: Attributes,
    /// The first one is given in two ways, for older and newer engines.
    exporter: Option<Exporter>,
    exporters: Vec<Exporter>,
    cache_imports: Vec<Exporter>,
    cache_exports: Vec<Exporter>,
    entitlements: Vec<String>,
    /// Numbers that only say how the client takes its answer, by field.
    flags: Vec<(u32, u64)>,
}

const GRAPH: Bad = "it is a graph of steps";

/// Texts by name, in the order in which they came.
type Attributes = Vec<(String, String)>;

/// An exporter, or where a cache is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Exporter {
    kind: String,
    attributes: Attributes,
}

/// Which of the two messages it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// `moby.buildkit.v1.SolveRequest`.
    Control,
    /// `moby.buildkit.v1.frontend.SolveRequest`.
    Frontend,
}

impl Solve {
    pub(super) fn read(message: &[u8], of: Of) -> Result<Self, Refusal> {
        let solve = match of {
            Of::Control => Self::control(message),
            Of::Frontend => Self::frontend(message),
        };
        solve.map_err(|why| match why {
            GRAPH => Refusal::forbidden(
                "buildkit.definition",
                "may not have BuildKit run a graph of steps (LLB): those are not judged; a \
                 Dockerfile is",
            ),
            why => unreadable("what is to be built", why),
        })
    }

    fn control(message: &[u8]) -> Result<Self, Bad> {
        let fields = proto::fields(message)?;
        proto::once(&fields, &[4, 7, 9, 10, 13])?;
        let mut solve = Self::default();
        for (number, value) in fields {
            match number {
                1 => solve.name = value.text()?,
                2 if value.bytes()?.is_empty() => {}
                2 => return Err(GRAPH),
                3 => solve.exporter.get_or_insert_default().kind = value.text()?,
                4 => put(&mut solve.exporter.get_or_insert_default().attributes, value)?,
                5 => solve.session = value.text()?,
                6 => solve.frontend = value.text()?,
                7 => put(&mut solve.attributes, value)?,
                8 => (solve.cache_exports, solve.cache_imports) = caches(value)?,
                9 => solve.entitlements.push(value.text()?),
                10 => return Err("it has inputs of another build"),
                11 | 16 => solve.flags.push((number, value.number()?)),
                12 | 15 => return Err("it brings a policy for sources"),
                13 => solve.exporters.push(Exporter::read(value)?),
                14 | 17 if value.number()? == 0 => {}
                _ => return Err(proto::UNKNOWN),
            }
        }
        Ok(solve)
    }

    fn frontend(message: &[u8]) -> Result<Self, Bad> {
        let fields = proto::fields(message)?;
        proto::once(&fields, &[3, 12, 13, 15])?;
        let mut solve = Self::default();
        for (number, value) in fields {
            match number {
                1 if value.bytes()?.is_empty() => {}
                1 => return Err(GRAPH),
                2 => solve.frontend = value.text()?,
                3 => put(&mut solve.attributes, value)?,
                5 | 6 | 14 => solve.flags.push((number, value.number()?)),
                10 if value.number()? == 0 => {}
                12 => solve.cache_imports.push(Exporter::read(value)?),
                13 => return Err("it has inputs of another build"),
                15 => return Err("it brings a policy for sources"),
                _ => return Err(proto::UNKNOWN),
            }
        }
        Ok(solve)
    }

    /// The message as it goes on.
    pub(super) fn written(&self, of: Of) -> Vec<u8> {
        let mut out = Vec::new();
        match of {
            Of::Control => {
                proto::put_text(&mut out, 1, &self.name);
                if let Some(exporter) = &self.exporter {
                    proto::put_text(&mut out, 3, &exporter.kind);
                    put_map(&mut out, 4, &exporter.attributes);
                }
                proto::put_text(&mut out, 5, &self.session);
                proto::put_text(&mut out, 6, &self.frontend);
                put_map(&mut out, 7, &self.attributes);
                let mut caches = Vec::new();
                let both = [(4, &self.cache_exports), (5, &self.cache_imports)];
                for (field, caches_of) in both {
                    for cache in caches_of {
                        proto::put_bytes(&mut caches, field, &cache.written());
                    }
                }
                proto::put_bytes(&mut out, 8, &caches);
                for entitlement in &self.entitlements {
                    proto::put_bytes(&mut out, 9, entitlement.as_bytes());
                }
                for exporter in &self.exporters {
                    proto::put_bytes(&mut out, 13, &exporter.written());
                }
            }
            Of::Frontend => {
                proto::put_text(&mut out, 2, &self.frontend);
                put_map(&mut out, 3, &self.attributes);
                for cache in &self.cache_imports {
                    proto::put_bytes(&mut out, 12, &cache.written());
                }
            }
        }
        for (field, number) in &self.flags {
            proto::put_number(&mut out, *field, *number);
        }
        out
    }

    /// Gives what is built the labels that the request for it has got meanwhile; where something
    /// else than this message says how it is built, it has none to give.
    ///
    /// # Errors
    /// A [`Refusal`] where the request's cannot be read.
    pub fn label_as(&mut self, request: &Request) -> Result<(), Refusal> {
        if self.frontend.is_empty() {
            return Ok(());
        }
        let labels = json::parse_with(request.query("labels").as_bytes(), Names::Exact)?;
        self.attributes.retain(|(name, _)| !name.starts_with("label:"));
        for (name, value) in labels.value().as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_owned();
            self.attributes.push((format!("label:{name}"), value));
        }
        Ok(())
    }

    /// The request that the docker command line would make for it. `session` is that of the build.
    ///
    /// # Errors
    /// A [`Refusal`] for what such a request could not say.
    pub fn as_request(&self, session: &str) -> Result<Request, Refusal> {
        let mut asked = Asked { session: session.to_owned(), ..Asked::default() };
        if !matches!(self.frontend.as_str(), "" | "dockerfile.v0") {
            return Err(refused("escape.build-frontend", "by the frontend", &self.frontend));
        }
        for (name, value) in &self.attributes {
            asked.attribute(name, value)?;
        }
        for exporter in self.exporter.iter().chain(&self.exporters) {
            asked.exporter(exporter)?;
        }
        for cache in &self.cache_imports {
            asked.cache(&cache.kind, &cache.attributes)?;
        }
        for cache in &self.cache_exports {
            // What it would say goes into the image alone.
            if cache.kind != "inline" || !cache.attributes.is_empty() {
                return Err(refused("escape.build-output", "with its cache sent to", &cache.kind));
            }
        }
        for entitlement in &self.entitlements {
            match entitlement.as_str() {
                "network.host" => asked.set("networkmode", "host"),
                "security.insecure" => asked.set("securityopt", "insecure"),
                other => {
                    return Err(refused("buildkit.entitlement", "with the entitlement", other));
                }
            }
        }
        asked.request()
    }
}

/// The query of an `ImageBuild`, as it comes to be.
#[derive(Default)]
struct Asked {
    session: String,
    single: Vec<(&'static str, String)>,
    tags: Vec<String>,
    arguments: Map<String, Json>,
    labels: Map<String, Json>,
    caches: Vec<Json>,
    outputs: Vec<Json>,
}

impl Asked {
    fn set(&mut self, key: &'static str, value: &str) {
        if !self.single.iter().any(|(known, known_value)| *known == key && known_value == value) {
            self.single.push((key, value.to_owned()));
        }
    }

    fn attribute(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        if let Some(name) = name.strip_prefix("build-arg:") {
            self.arguments.insert(name.to_owned(), json!(value));
            return Ok(());
        }
        if let Some(name) = name.strip_prefix("label:") {
            self.labels.insert(name.to_owned(), json!(value));
            return Ok(());
        }
        match name {
            "cgroup-parent" => self.set("cgroupparent", value),
            "filename" => self.set("dockerfile", value),
            "force-network-mode" => self.set("networkmode", value),
            "platform" => self.set("platform", value),
            "target" => self.set("target", value),
            "cache-from" => {
                let images = value.split(',').filter(|image| !image.is_empty());
                self.caches.extend(images.map(|image| json!(image)));
            }
            "cache-imports" => {
                let caches = json::parse_with(value.as_bytes(), Names::Exact)?;
                for cache in caches_in(caches.value()).map_err(|why| unreadable(name, why))? {
                    self.cache(&cache.kind, &cache.attributes)?;
                }
            }
            "cmdline" | "source" => {
                return Err(refused("escape.build-frontend", "by the frontend", value));
            }
            _ if HARMLESS.contains(&name) => {}
            _ if name.starts_with("sharedkey:localdir:") || name.starts_with("vcs:") => {}
            // From which session a folder comes.
            _ if name.starts_with("local-sessionid:") && value == self.session => {}
            "context" | "contextkey" | "contextsubdir" | "dockerfilekey" | "input:context" => {
                return Err(refused("escape.build-source", "from", value));
            }
            _ if name.starts_with("context:") || name.starts_with("input:") => {
                return Err(refused("escape.build-source", "from", value));
            }
            _ => return Err(refused("buildkit.attribute", "with the attribute", name)),
        }
        Ok(())
    }

    fn exporter(&mut self, exporter: &Exporter) -> Result<(), Refusal> {
        let Exporter { kind, attributes } = exporter;
        let elsewhere = || Err(refused("escape.build-output", "with the output", kind));
        match kind.as_str() {
            "" if attributes.is_empty() => {}
            "moby" | "image" => {
                for (name, value) in attributes {
                    match name.as_str() {
                        "name" => {
                            let tags = value.split(',').filter(|tag| !tag.is_empty());
                            self.tags.extend(tags.map(str::to_owned));
                        }
                        "push" if value == "false" => {}
                        "buildinfo-attrs" | "oci-artifact" | "prefer-image-digest" | "unpack" => {}
                        _ => return elsewhere(),
                    }
                }
            }
            "local" | "tar" if attributes.iter().all(|(name, _)| name == "platform-split") => {
                self.outputs.push(json!({ "Type": kind }));
            }
            _ => return elsewhere(),
        }
        Ok(())
    }

    fn cache(&mut self, kind: &str, attributes: &Attributes) -> Result<(), Refusal> {
        match (kind, attributes.as_slice()) {
            ("registry", [(name, image)]) if name == "ref" => {
                self.caches.push(json!(image));
                Ok(())
            }
            _ => Err(refused("escape.build-source", "with a cache from", kind)),
        }
    }

    fn request(self) -> Result<Request, Refusal> {
        let mut query = vec![
            ("version".to_owned(), "2".to_owned()),
            ("remote".to_owned(), "client-session".to_owned()),
            ("session".to_owned(), self.session),
        ];
        query.extend(self.single.into_iter().map(|(key, value)| (key.to_owned(), value)));
        query.extend(self.tags.into_iter().map(|tag| ("t".to_owned(), tag)));
        for (key, value) in [
            ("buildargs", Json::Object(self.arguments)),
            ("labels", Json::Object(self.labels)),
            ("cachefrom", Json::Array(self.caches)),
            ("outputs", Json::Array(self.outputs)),
        ] {
            query.push((key.to_owned(), value.to_string()));
        }
        let head = RequestHead {
            method: Method::Post,
            version: Version::Http11,
            target: String::new(),
            framing: Framing::None,
            upgrade: None,
            expect_continue: false,
            keep_alive: true,
            content_type: None,
            forwarded: Vec::new(),
        };
        let target =
            Target { version: None, release: None, segments: vec!["build".to_owned()], query };
        let request = recognize(head, target, ApiVersion::new(1, 24));
        let request = request.map_err(|(_, refusal)| refusal)?;
        debug_assert_eq!(request.route.operation, Operation::ImageBuild);
        Ok(request)
    }
}

/// Attributes of the Dockerfile frontend that only shape the image, or the client's answer.
const HARMLESS: &[&str] = &[
    "add-hosts",
    "attest:provenance",
    "frontend.caps",
    "hostname",
    "image-resolve-mode",
    "multi-platform",
    "no-cache",
    "shm-size",
];

impl Exporter {
    fn read(value: Value<'_>) -> Result<Self, Bad> {
        let fields = proto::fields(value.bytes()?)?;
        proto::once(&fields, &[2])?;
        let mut exporter = Self::default();
        for (number, value) in fields {
            match number {
                1 => exporter.kind = value.text()?,
                2 => put(&mut exporter.attributes, value)?,
                _ => return Err(proto::UNKNOWN),
            }
        }
        Ok(exporter)
    }

    fn written(&self) -> Vec<u8> {
        let mut out = Vec::new();
        proto::put_text(&mut out, 1, &self.kind);
        put_map(&mut out, 2, &self.attributes);
        out
    }
}

/// `CacheOptions`: exports and imports.
fn caches(value: Value<'_>) -> Result<(Vec<Exporter>, Vec<Exporter>), Bad> {
    let (mut exports, mut imports) = (Vec::new(), Vec::new());
    for (number, value) in proto::fields(value.bytes()?)? {
        match number {
            4 => exports.push(Exporter::read(value)?),
            5 => imports.push(Exporter::read(value)?),
            _ => return Err("it names caches in a way that was given up"),
        }
    }
    Ok((exports, imports))
}

/// Adds an entry of a map, where its name is new.
fn put(attributes: &mut Attributes, value: Value<'_>) -> Result<(), Bad> {
    let (name, value) = proto::entry(value)?;
    if attributes.iter().any(|(known, _)| *known == name) {
        return Err("a name of it is there twice");
    }
    attributes.push((name, value));
    Ok(())
}

fn put_map(out: &mut Vec<u8>, field: u32, attributes: &Attributes) {
    for (name, value) in attributes {
        let mut entry = Vec::new();
        proto::put_text(&mut entry, 1, name);
        proto::put_text(&mut entry, 2, value);
        proto::put_bytes(out, field, &entry);
    }
}

/// The attribute `cache-imports`.
fn caches_in(value: &Json) -> Result<Vec<Exporter>, Bad> {
    const BAD: Bad = "it is no list of caches";
    let text = |value: &Json| value.as_str().map(str::to_owned).ok_or(BAD);
    let mut caches = Vec::new();
    for cache in value.as_array().ok_or(BAD)? {
        let mut read = Exporter::default();
        for (name, value) in cache.as_object().ok_or(BAD)? {
            match name.as_str() {
                "Type" => read.kind = text(value)?,
                "Attrs" => {
                    for (name, value) in value.as_object().ok_or(BAD)? {
                        read.attributes.push((name.clone(), text(value)?));
                    }
                }
                // Go would take another spelling for the same field.
                _ => return Err(BAD),
            }
        }
        caches.push(read);
    }
    Ok(caches)
}
