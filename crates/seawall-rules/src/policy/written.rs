//! Roles as they are written: TOML tables, read with their places so that every complaint can
//! be shown where it belongs. [`KEYS`] is the language.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::condition::{Conditions, source};
use super::hours::{self, Hours};
use super::role::{Isolation, Standing, Terms};
use super::term::{BindTerm, LabelTerm, Pattern, PortTerm, Unusable, capability, device};
use crate::escape::quoted;
use crate::identity::Name;
use crate::network::Networks;
use crate::operation::{Class, Operation};

/// One key of a role.
#[derive(Debug)]
pub struct RoleKey {
    /// As it is written.
    pub name: &'static str,
    /// An example of its value, as TOML.
    pub example: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// The keys of `[roles.NAME]`.
pub const KEYS: &[RoleKey] = &[
    RoleKey {
        name: "summary",
        example: r#""publishes the shop""#,
        meaning: "What the role is for, one clause.",
    },
    RoleKey {
        name: "extends",
        example: r#"["developer", "operator"]"#,
        meaning: "A role, or several, all of whose grants this one has too.",
    },
    RoleKey {
        name: "operations",
        example: r#"["ContainerStart", "metadata"]"#,
        meaning: "Operations by their id (`seawall policy list admin`), or all of a class: `metadata`, \
            `read`, `change`, `host`, `admin`. What only `admin` can do is in no class.",
    },
    RoleKey {
        name: "isolation",
        example: r#""own""#,
        meaning: "`\"own\"`: it shows and touches what its identity, or its group, has made, and \
            nothing else; `\"all\"`: everybody's things. Where nothing is said, `own` if it extends \
            such a role, and then it cannot be otherwise. What reaches into containers (exec, \
            attach, cp) takes `own`.",
    },
    RoleKey {
        name: "mode",
        example: r#""warn""#,
        meaning: "`\"enforce\"`, or `\"warn\"`: what the role does not cover is let through all the \
            same, and recorded with the rules that would have refused it (`would_deny`). Never let \
            through are paths, capabilities and devices of the host and whatever else gives it away, \
            somebody else's things, unknown fields, what is `admin`'s alone, and more than `rate`, \
            `burst` and `streams`. Not inherited. Where the identity has a role for its own things \
            too, a role for everybody's is enforced.",
    },
    RoleKey {
        name: "sources",
        example: r#"["10.0.0.0/24", "fd00:12::/64"]"#,
        meaning: "Networks from which the role is in force; from elsewhere it is as if the identity had \
            not got it, in warn mode too. A Unix socket is in no network. Where nothing is said, as in \
            what it extends, which must say the same then.",
    },
    RoleKey {
        name: "hours",
        example: r#"["Mon-Fri 08:00-18:00", "Sat 09:00-12:00 +01:00"]"#,
        meaning: "Hours of the week in which the role is in force, in UTC where no offset is written, \
            every day where no day is; `22:00-06:00` goes on into the next day. At their end streams \
            are cut that nothing else grants. Inherited like `sources`.",
    },
    RoleKey {
        name: "images",
        example: r#"["registry.example.com/shop/*", "alpine:3.*"]"#,
        meaning: "Images to pull, run and read. Docker Hub where no registry is named, any tag \
            where none is.",
    },
    RoleKey {
        name: "tags",
        example: r#"["registry.example.com/shop/*"]"#,
        meaning: "Names to give to images (tag, commit) and to push.",
    },
    RoleKey {
        name: "binds",
        example: r#"["/srv/shop/static/*:ro", "/srv/shop/data:rw"]"#,
        meaning: "Paths of the host to bind; where symbolic links lead must be granted as well. `/*` is everything \
            below, read-only; what may be written is named one by one. The host's own folders \
            cannot be granted.",
    },
    RoleKey { name: "volumes", example: r#"["shop-*"]"#, meaning: "Named volumes." },
    RoleKey {
        name: "networks",
        example: r#"["shop-*"]"#,
        meaning: "Networks by name, beside the default one. What could be an id is refused.",
    },
    RoleKey {
        name: "ports",
        example: r#"["8000-8999", "127.0.0.1:1024-65535"]"#,
        meaning: "Ports to publish, on one address of the host or on any. To let the engine \
            choose takes all of 32768-60999.",
    },
    RoleKey {
        name: "users",
        example: r#"["1000", "1000:*", ":audio"]"#,
        meaning: "Users to run as, and `:GROUP` to be a member of. A container that names none \
            runs as its image says.",
    },
    RoleKey {
        name: "capabilities",
        example: r#"["NET_ADMIN"]"#,
        meaning: "Capabilities to add to the usual ones.",
    },
    RoleKey {
        name: "devices",
        example: r#"["/dev/fuse", "/dev/dri/*"]"#,
        meaning: "Devices of the host.",
    },
    RoleKey {
        name: "memory",
        example: r#""2GiB""#,
        meaning: "The most memory of one container; each must then say how much it takes.",
    },
    RoleKey {
        name: "cpus",
        example: "1.5",
        meaning: "The most CPUs of one container; each must then say how many it takes.",
    },
    RoleKey {
        name: "pids",
        example: "500",
        meaning: "The most processes of one container; each must then say how many.",
    },
    RoleKey {
        name: "labels",
        example: r#"["team=web", "env=*"]"#,
        meaning: "Labels that every container, volume, network and built image must carry which is made by \
            this role: `*` is any text. What it extends must ask for the same where it makes \
            something, or the key be written here too; `[]` asks for none.",
    },
    RoleKey {
        name: "secrets",
        example: "true",
        meaning: "Show what the engine answers as it is: environment, arguments, labels with telling \
            names, paths of the host, options of drivers, of the images, networks and volumes \
            that the role names. Without it `***` stands there.",
    },
    RoleKey {
        name: "shown_labels",
        example: r#"["traefik.*"]"#,
        meaning: "Labels by name that are shown as they are, whatever their names tell: where a program \
            is configured by labels that hold a password's hash.",
    },
    RoleKey {
        name: "rate",
        example: "20",
        meaning: "Requests a second of one identity, over all its connections. Of its roles the \
            one that allows most counts, and one that says nothing allows any number; so for \
            the two keys below. What is more is answered with 429.",
    },
    RoleKey {
        name: "burst",
        example: "200",
        meaning: "Requests that may come at once; where nothing is said, five seconds' worth.",
    },
    RoleKey {
        name: "streams",
        example: "8",
        meaning: "Streams of one identity at once: logs, attach, exec, events, waits, builds, \
            pulls.",
    },
];

/// A complaint about what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which of the texts, by its place among those that were read.
    pub text: usize,
    /// Where in it, in bytes.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// A role as read, its parents not yet looked up.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: Name,
    /// Of its name.
    pub(super) place: (usize, Range<usize>),
    pub(super) summary: Option<String>,
    pub(super) extends: Vec<(String, Range<usize>)>,
    pub(super) operations: Vec<(Operation, Range<usize>)>,
    pub(super) isolation: Option<(Isolation, Range<usize>)>,
    pub(super) warns: bool,
    pub(super) conditions: Conditions,
    pub(super) terms: Terms,
    /// Each with its place, for what can only be said when all are known.
    pub(super) binds: Vec<(BindTerm, Range<usize>)>,
    pub(super) standing: Standing,
}

/// Whether the text is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    Seawall,
    Operator,
}

/// Reads the roles of one text.
pub(super) struct Writing<'a> {
    pub(super) text: usize,
    pub(super) author: Author,
    pub(super) protected: &'a [String],
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Writing<'_> {
    /// The roles of a table whose keys are their names.
    pub(super) fn roles(&mut self, table: &DeTable<'_>) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for (key, value) in table {
            let Ok(name) = Name::parse(key.get_ref()) else {
                let message = format!("{} is no name for a role", quoted(key.get_ref().as_bytes()));
                let hint = "use 1 to 63 of a-z, 0-9, `.`, `_`, `-`";
                self.complain(key.span(), message, Some(hint.to_owned()));
                continue;
            };
            let DeValue::Table(keys) = value.get_ref() else {
                let hint = format!("write `[roles.{name}]` on a line of its own, its keys beneath");
                self.complain(key.span(), format!("the role `{name}` is no table"), Some(hint));
                continue;
            };
            let mut draft = Draft {
                place: (self.text, key.span()),
                name,
                summary: None,
                extends: Vec::new(),
                operations: Vec::new(),
                isolation: None,
                warns: false,
                conditions: Conditions::default(),
                terms: Terms::default(),
                binds: Vec::new(),
                standing: match self.author {
                    Author::Seawall => Standing::BuiltIn,
                    Author::Operator => Standing::Configured,
                },
            };
            for (key, value) in keys {
                self.key(&mut draft, key, value);
            }
            drafts.push(draft);
        }
        // As they stand in the text: a table has them by name.
        drafts.sort_by_key(|draft| draft.place.1.start);
        drafts
    }

    fn key(
        &mut self,
        draft: &mut Draft,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let name = key.get_ref().as_ref();
        let protected = self.protected;
        let terms = &mut draft.terms;
        match name {
            "summary" => draft.summary = self.text(name, value),
            "extends" => {
                draft.extends = match value.get_ref() {
                    DeValue::String(text) => vec![(text.to_string(), value.span())],
                    _ => self.texts(name, value),
                };
            }
            "operations" => {
                for (text, span) in self.texts(name, value) {
                    let found = self.operations(&text, span.clone());
                    let placed = found.into_iter().map(|operation| (operation, span.clone()));
                    draft.operations.extend(placed);
                }
            }
            "isolation" => {
                let isolation = [Isolation::All, Isolation::Own]
                    .into_iter()
                    .find(|known| value.get_ref().as_str() == Some(known.as_str()));
                if isolation.is_none() {
                    let hint = "write `isolation = \"own\"` or `isolation = \"all\"`".to_owned();
                    let message = "`isolation` must be `own` or `all`".to_owned();
                    self.complain(value.span(), message, Some(hint));
                }
                draft.isolation = Some((isolation.unwrap_or(Isolation::Own), value.span()));
            }
            "mode" => {
                draft.warns = value.get_ref().as_str() == Some("warn");
                if !draft.warns && value.get_ref().as_str() != Some("enforce") {
                    let hint = "write `mode = \"warn\"` or `mode = \"enforce\"`".to_owned();
                    let message = "`mode` must be `enforce` or `warn`".to_owned();
                    self.complain(value.span(), message, Some(hint));
                }
            }
            "sources" => {
                let nets = self.some(name, value, source);
                draft.conditions.sources = Some(Networks::only(nets));
            }
            "hours" => {
                draft.conditions.hours = Some(Hours::of(self.some(name, value, hours::parse)));
            }
            "images" => terms.images = self.terms(name, value, Pattern::of_images),
            "tags" => terms.tags = self.terms(name, value, Pattern::of_images),
            "binds" => {
                for (text, span) in self.texts(name, value) {
                    match BindTerm::parse(&text, protected) {
                        Ok(term) => draft.binds.push((term, span)),
                        Err(unusable) => self.unusable(span, unusable),
                    }
                }
                terms.binds = draft.binds.iter().map(|(term, _)| term.clone()).collect();
            }
            "volumes" => terms.volumes = self.terms(name, value, Pattern::parse),
            "networks" => terms.networks = self.terms(name, value, Pattern::parse),
            "ports" => terms.ports = self.terms(name, value, PortTerm::parse),
            "users" => terms.users = self.terms(name, value, Pattern::parse),
            "capabilities" => terms.capabilities = self.terms(name, value, capability),
            "devices" => terms.devices = self.terms(name, value, device),
            "labels" => {
                let labels = self.terms(name, value, LabelTerm::parse);
                let twice =
                    |term: &LabelTerm| labels.iter().filter(|l| l.name == term.name).count();
                if let Some(term) = labels.iter().find(|term| twice(term) > 1) {
                    let message = format!("the label `{}` is asked for twice", term.name);
                    self.complain(value.span(), message, None);
                }
                draft.terms.labels = Some(labels);
            }
            "memory" => terms.memory = self.size(name, value),
            "cpus" => terms.cpus = self.cpus(name, value),
            "pids" => terms.pids = self.count(name, value),
            "secrets" => terms.secrets = self.grant(name, value),
            "shown_labels" => terms.shown_labels = self.terms(name, value, Pattern::parse),
            "rate" => terms.rate = self.count(name, value),
            "burst" => terms.burst = self.count(name, value),
            "streams" => terms.streams = self.count(name, value),
            "unrestricted" if self.author == Author::Seawall => {
                draft.standing = Standing::Unrestricted;
            }
            "preset" if self.author == Author::Seawall => draft.standing = Standing::Preset,
            _ => {
                let known = KEYS.iter().map(|key| key.name);
                let hint = match crate::operation::nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
                        format!("the keys of a role are {}", names.join(", "))
                    }
                };
                let message = format!("a role has no key {}", quoted(name.as_bytes()));
                self.complain(key.span(), message, Some(hint));
            }
        }
    }

    /// One operation, or all of a class that a role can be given.
    fn operations(&mut self, text: &str, span: Range<usize>) -> Vec<Operation> {
        if let Some(operation) = Operation::named(text) {
            let route = operation.route();
            let why = match route.class {
                Class::Closed => Some("it is closed to everybody"),
                _ => route.admin_only(),
            };
            return match why {
                None => vec![operation],
                Some(why) => {
                    let message = format!("no role can be given `{text}`: {why}");
                    self.complain(span, message, Some("only `admin` has it".to_owned()));
                    Vec::new()
                }
            };
        }
        let of_class = |operation: &&Operation| {
            let route = operation.route();
            route.class.as_str() == text
                && route.class != Class::Closed
                && !route.is_libpod()
                && route.admin_only().is_none()
                && !route.own_only()
        };
        let found: Vec<_> = Operation::ALL.iter().filter(of_class).copied().collect();
        if found.is_empty() {
            let ids = Operation::ALL.iter().map(|operation| operation.as_str());
            let hint = match crate::operation::nearest(text, ids) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`seawall policy list admin` lists them".to_owned(),
            };
            let message = format!("there is no operation or class {}", quoted(text.as_bytes()));
            self.complain(span, message, Some(hint));
        }
        found
    }

    fn terms<T>(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        parse: impl Fn(&str) -> Result<T, Unusable>,
    ) -> Vec<T> {
        let mut terms = Vec::new();
        for (text, span) in self.texts(name, value) {
            match parse(&text) {
                Ok(term) => terms.push(term),
                Err(unusable) => self.unusable(span, unusable),
            }
        }
        terms
    }

    /// As [`Self::terms`], of which there must be one.
    fn some<T>(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        parse: impl Fn(&str) -> Result<T, Unusable>,
    ) -> Vec<T> {
        if value.get_ref().as_array().is_some_and(|items| items.is_empty()) {
            let message = format!("`{name}` is empty: the role would never be in force");
            self.complain(value.span(), message, Some(format!("leave `{name}` out for any")));
        }
        self.terms(name, value, parse)
    }

    fn texts(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Vec<(String, Range<usize>)> {
        let DeValue::Array(items) = value.get_ref() else {
            let hint = value.get_ref().as_str().map(|text| format!("write `{name} = [{text:?}]`"));
            self.complain(value.span(), format!("`{name}` must be a list of texts"), hint);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push((text.to_owned(), item.span())),
                None => {
                    self.complain(item.span(), format!("`{name}` must be a list of texts"), None)
                }
            }
        }
        texts
    }

    fn text(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let text = value.get_ref().as_str().filter(|text| !text.contains(char::is_control));
        if text.is_none() {
            self.complain(value.span(), format!("`{name}` must be one line of text"), None);
        }
        text.map(str::to_owned)
    }

    fn count(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<u64> {
        let count = integer(value).filter(|&count| count > 0);
        if count.is_none() {
            self.complain(value.span(), format!("`{name}` must be a whole number from 1 on"), None);
        }
        // What cannot be read must not mean "without limit".
        Some(count.unwrap_or(1))
    }

    /// `false` takes nothing away that is inherited, so it is not for writing.
    fn grant(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> bool {
        let granted = value.get_ref().as_bool() == Some(true);
        if !granted {
            let hint = format!("leave `{name}` out where it is not to be granted");
            self.complain(value.span(), format!("`{name}` can only be `true`"), Some(hint));
        }
        granted
    }

    fn size(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<u64> {
        let size = match value.get_ref() {
            DeValue::String(text) => size(text),
            _ => integer(value),
        };
        let size = size.filter(|&size| size > 0);
        if size.is_none() {
            self.complain(
                value.span(),
                format!("`{name}` must be a size"),
                Some(format!("write `{name} = \"512MiB\"` or a number of bytes")),
            );
        }
        Some(size.unwrap_or(1))
    }

    fn cpus(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<u64> {
        let text = match value.get_ref() {
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Integer(number) => number.as_str().to_owned(),
            _ => String::new(),
        };
        let nanos = crate::facts::billionths(&text).filter(|&nanos| nanos > 0);
        if nanos.is_none() {
            self.complain(
                value.span(),
                format!("`{name}` must be a number of CPUs"),
                Some(format!("write `{name} = 1.5`")),
            );
        }
        Some(nanos.unwrap_or(1))
    }

    fn unusable(&mut self, span: Range<usize>, unusable: Unusable) {
        self.complain(span, unusable.message, Some(unusable.hint));
    }

    fn complain(&mut self, span: Range<usize>, message: String, hint: Option<String>) {
        self.problems.push(Problem { text: self.text, span, message, hint });
    }
}

fn integer(value: &Spanned<DeValue<'_>>) -> Option<u64> {
    let integer = value.get_ref().as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}
