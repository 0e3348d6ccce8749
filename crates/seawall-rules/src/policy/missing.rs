//! What a refused request lacks, and the smallest role that would have it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::role::{Role, Standing, Terms};
use super::term::{BindTerm, Pattern, PortTerm, capability, device};
use super::{ADMIN, Permissions};
use crate::facts::{Ask, ImageName};
use crate::operation::{Operation, Request};

/// What stands between an identity and a request.
#[derive(Clone, Debug, Default)]
pub struct Missing {
    /// The role that comes nearest, if there is one.
    pub nearest: Option<Arc<Role>>,
    /// The operation, where that role does not grant it.
    pub operation: Option<Operation>,
    /// What the role does not cover.
    pub asks: Vec<Ask>,
    /// Fields and query keys that only `admin` may send.
    pub unknown: Vec<String>,
}

impl Permissions {
    /// What a request lacks; nothing, where it is granted.
    pub fn missing(&self, request: &Request) -> Missing {
        let operation = request.route.operation;
        let asks = || request.facts.all().map(|fact| &fact.ask);
        let unknown = [request.unknown.as_slice(), &request.facts.unknown].concat();
        let of = |role: &Arc<Role>| match role.standing() {
            Standing::Unrestricted => Missing::default(),
            Standing::BuiltIn | Standing::Preset | Standing::Configured => Missing {
                nearest: Some(role.clone()),
                operation: (!role.grants(operation)).then_some(operation),
                asks: asks().filter(|ask| !role.terms.cover(ask)).cloned().collect(),
                unknown: unknown.clone(),
            },
        };
        let lacks = |missing: &Missing| {
            missing.asks.len() + missing.unknown.len() + usize::from(missing.operation.is_some())
        };
        let nearest = self.roles.iter().map(of).min_by_key(lacks);
        nearest.unwrap_or_else(|| Missing {
            nearest: None,
            operation: Some(operation).filter(|_| self.rule(operation).is_none()),
            asks: asks().cloned().collect(),
            unknown: unknown.clone(),
        })
    }
}

/// The keys of a role in the making.
#[derive(Clone, Debug, Default)]
pub struct Smallest {
    /// Each operation, and how often it was wanted.
    operations: BTreeMap<Operation, u64>,
    /// Each thing, by its notation.
    asks: BTreeMap<String, (Ask, u64)>,
    /// What no role can be given: what, and why.
    impossible: BTreeMap<String, (String, u64)>,
}

impl Smallest {
    /// Adds an operation.
    pub fn operation(&mut self, operation: Operation) {
        match operation.route().admin_only() {
            None => *self.operations.entry(operation).or_default() += 1,
            Some(why) => self.cannot(operation.as_str().to_owned(), why.to_owned()),
        }
    }

    /// Adds something that is asked for.
    pub fn ask(&mut self, ask: &Ask) {
        match term(ask) {
            Ok(_) => self.asks.entry(ask.notation()).or_insert((ask.clone(), 0)).1 += 1,
            Err(why) => self.cannot(ask.notation(), why),
        }
    }

    /// Adds what only `admin` may send.
    pub fn unknown(&mut self, name: &str) {
        self.cannot(format!("unknown {name}"), format!("only {ADMIN} may send it"));
    }

    fn cannot(&mut self, what: String, why: String) {
        self.impossible.entry(what).or_insert((why, 0)).1 += 1;
    }

    /// What no role can be given, each with the reason and how often it was wanted.
    pub fn impossible(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.impossible.iter().map(|(what, (why, count))| (what.as_str(), why.as_str(), *count))
    }

    /// Each key as a line of TOML.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.keys().into_iter().map(|(key, values)| {
            let values: Vec<_> = values.into_iter().map(|(value, _)| value).collect();
            match key {
                "memory" | "cpus" | "pids" => format!("{key} = {}", values.concat()),
                key => format!("{key} = [{}]", values.join(", ")),
            }
        })
    }

    /// Each key with its values as TOML, and how often each was wanted; in the order of the keys.
    pub fn keys(&self) -> Vec<(&'static str, Vec<(String, u64)>)> {
        let mut keys: Vec<(&'static str, Vec<(String, u64)>)> = Vec::new();
        if !self.operations.is_empty() {
            let named = |(operation, count): (&Operation, &u64)| {
                (format!("{:?}", operation.as_str()), *count)
            };
            keys.push(("operations", self.operations.iter().map(named).collect()));
        }
        let mut limits: BTreeMap<&str, Vec<(Option<u64>, u64)>> = BTreeMap::new();
        let mut terms: Vec<(&'static str, Terms, &Ask, u64)> = Vec::new();
        for (ask, count) in self.asks.values() {
            match ask {
                Ask::Memory(limit) => limits.entry("memory").or_default().push((*limit, *count)),
                Ask::Cpus(limit) => limits.entry("cpus").or_default().push((*limit, *count)),
                Ask::Pids(limit) => limits.entry("pids").or_default().push((*limit, *count)),
                ask => {
                    if let (Ok(alone), Some(key)) = (term(ask), ask.term()) {
                        terms.push((key, alone, ask, *count));
                    }
                }
            }
        }
        // What another one covers need not be said.
        let needed = |at: usize, key: &str, ask: &Ask| {
            !terms.iter().enumerate().any(|(other, (name, wider, covered, _))| {
                let same = terms[at].1.cover(covered);
                *name == key && other != at && wider.cover(ask) && (!same || other < at)
            })
        };
        for key in [
            "images",
            "tags",
            "binds",
            "volumes",
            "networks",
            "ports",
            "users",
            "capabilities",
            "devices",
        ] {
            let values: Vec<_> = terms
                .iter()
                .enumerate()
                .filter(|(at, (name, _, ask, _))| *name == key && needed(*at, key, ask))
                .flat_map(|(_, (_, alone, _, count))| {
                    let of_key = |entry: &super::entry::Entry| entry.key == key;
                    let entries = alone.entries();
                    entries
                        .into_iter()
                        .filter(of_key)
                        .map(|entry| (entry.value, *count))
                        .collect::<Vec<_>>()
                })
                .collect();
            if !values.is_empty() {
                keys.push((key, values));
            }
        }
        for key in ["memory", "cpus", "pids"] {
            let asked = limits.remove(key).unwrap_or_default();
            let most: Option<Vec<u64>> = asked.iter().map(|(limit, _)| *limit).collect();
            // Whoever once had no limit is not to have one now.
            if let Some(most) = most.and_then(|all| all.into_iter().max()) {
                let value =
                    if key == "cpus" { crate::facts::decimal(most) } else { most.to_string() };
                keys.push((key, vec![(value, asked.iter().map(|(_, count)| count).sum())]));
            }
        }
        keys
    }
}

/// The term that covers this and as little else as can be.
fn term(ask: &Ask) -> Result<Terms, String> {
    let mut terms = Terms::default();
    let plain = |text: &str| match text.contains('*') {
        true => Err("it has a `*` in it".to_owned()),
        false => Pattern::parse(text).map_err(|unusable| unusable.message),
    };
    let image = |name: &ImageName| match name.canonical() {
        Some(name) => Pattern::of_images(name).map_err(|unusable| unusable.message),
        None => Err("nobody can say which name an id has: `*` alone covers it".to_owned()),
    };
    match ask {
        Ask::Bind(path, access) => {
            let term = BindTerm::parse(&format!("{path}:{access}"), &[]);
            terms.binds.push(term.map_err(|unusable| unusable.message)?);
        }
        Ask::Capability(name) => {
            terms.capabilities.push(capability(name).map_err(|unusable| unusable.message)?);
        }
        Ask::Device(path) => {
            terms.devices.push(device(path).map_err(|unusable| unusable.message)?);
        }
        Ask::Escape(escape, _) => return Err(format!("only {ADMIN} may {}", escape.phrase)),
        Ask::Image(name) => terms.images.push(image(name)?),
        Ask::Tag(name) => terms.tags.push(image(name)?),
        Ask::Network(name) => terms.networks.push(plain(name)?),
        Ask::Port(port) => {
            let term = PortTerm::parse(&port.to_string());
            terms.ports.push(term.map_err(|unusable| unusable.message)?);
        }
        Ask::User(name) => terms.users.push(plain(name)?),
        Ask::Volume(name) => terms.volumes.push(plain(name)?),
        Ask::Cpus(_) | Ask::Labels(_) | Ask::Memory(_) | Ask::Pids(_) => {}
    }
    match terms.cover(ask) {
        true => Ok(terms),
        false => Err("it could be the beginning of an id".to_owned()),
    }
}
