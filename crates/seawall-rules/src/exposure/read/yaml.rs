//! YAML as a tree with lines, within bounds: what an alias names is shared, never copied, so
//! that a document costs no more than its size.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use saphyr_parser::{Event, Parser};

/// A value and the line it begins on.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Scalar(String),
    List(Vec<Rc<Node>>),
    Map(Vec<(String, Rc<Node>)>),
}

impl Node {
    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text) => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The entries of a list.
    pub(super) fn list(&self) -> &[Rc<Self>] {
        match &self.kind {
            Kind::List(entries) => entries,
            Kind::Scalar(_) | Kind::Map(_) => &[],
        }
    }

    /// The members of a map; what it merges by `<<` stands behind its own.
    pub(super) fn map(&self) -> Vec<(&str, &Rc<Self>)> {
        let mut members = Vec::new();
        self.merge(&mut members, &mut HashSet::new(), MAX_DEPTH);
        members
    }

    /// The member of that name.
    pub(super) fn get(&self, name: &str) -> Option<&Rc<Self>> {
        self.map().into_iter().find(|(key, _)| *key == name).map(|(_, node)| node)
    }

    /// `merged` are the maps that have been: what names one again adds nothing, and each may be
    /// named by any number of others.
    fn merge<'a>(
        &'a self,
        members: &mut Vec<(&'a str, &'a Rc<Self>)>,
        merged: &mut HashSet<*const Self>,
        depth: usize,
    ) {
        if !merged.insert(std::ptr::from_ref(self)) {
            return;
        }
        let Kind::Map(own) = &self.kind else { return };
        for (key, node) in own.iter().filter(|(key, _)| key != "<<") {
            if members.len() < MAX_MEMBERS && !members.iter().any(|(known, _)| known == key) {
                members.push((key, node));
            }
        }
        let Some(depth) = depth.checked_sub(1) else { return };
        for (_, below) in own.iter().filter(|(key, _)| key == "<<") {
            if !merged.contains(&Rc::as_ptr(below)) {
                below.merge(members, merged, depth);
                for map in below.list() {
                    map.merge(members, merged, depth);
                }
            }
        }
    }
}

/// Reads the first document of a text.
///
/// # Errors
/// Why it is no YAML, or that it is too much of it.
pub(super) fn read(text: &str) -> Result<Rc<Node>, String> {
    let mut building: Vec<Building> = Vec::new();
    let mut anchors: HashMap<usize, Rc<Node>> = HashMap::new();
    let mut nodes = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| format!("it is not YAML: {error}"))?;
        let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
        let (node, anchor) = match event {
            Event::Scalar(text, _, anchor, _) => {
                (Rc::new(Node { line, kind: Kind::Scalar(text.into_owned()) }), anchor)
            }
            Event::Alias(anchor) => match anchors.get(&anchor) {
                Some(node) => (Rc::clone(node), 0),
                None => return Err(format!("line {line} names a value inside itself")),
            },
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if building.len() == MAX_DEPTH {
                    return Err(format!("it nests deeper than {MAX_DEPTH} levels"));
                }
                let map = matches!(event, Event::MappingStart(..));
                building.push(Building { line, anchor, map, values: Vec::new() });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match building.pop() {
                Some(done) => done.finish(),
                None => continue,
            },
            Event::DocumentEnd | Event::StreamEnd => break,
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => continue,
        };
        nodes += 1;
        if nodes > MAX_NODES {
            return Err(format!("it has more than {MAX_NODES} values"));
        }
        if anchor != 0 {
            anchors.insert(anchor, Rc::clone(&node));
        }
        match building.last_mut() {
            Some(parent) => parent.values.push(node),
            None => return Ok(node),
        }
    }
    Ok(Rc::new(Node { line: 1, kind: Kind::Scalar(String::new()) }))
}

struct Building {
    line: u32,
    anchor: usize,
    map: bool,
    values: Vec<Rc<Node>>,
}

impl Building {
    fn finish(self) -> (Rc<Node>, usize) {
        let kind = match self.map {
            false => Kind::List(self.values),
            true => Kind::Map(
                self.values
                    .chunks_exact(2)
                    .map(|pair| (pair[0].text().unwrap_or_default().to_owned(), pair[1].clone()))
                    .collect(),
            ),
        };
        (Rc::new(Node { line: self.line, kind }), self.anchor)
    }
}

const MAX_DEPTH: usize = 64;
const MAX_NODES: usize = 100_000;
/// More members of one map than this are not looked at.
const MAX_MEMBERS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_lists_and_merges_are_read_with_their_lines() {
        let tree = read(
            "x-base: &b\n  privileged: true\n  image: a\nsvc:\n  <<: *b\n  image: c\n  l: [1, 2]\n",
        )
        .unwrap();
        let service = tree.get("svc").unwrap();
        assert_eq!(service.get("image").unwrap().text(), Some("c"));
        assert_eq!(service.get("privileged").unwrap().text(), Some("true"));
        assert_eq!(service.get("privileged").unwrap().line, 2);
        assert_eq!(service.get("l").unwrap().list().len(), 2);
        assert_eq!(read("").unwrap().text(), Some(""));
    }

    #[test]
    fn a_bomb_of_aliases_costs_no_more_than_its_size() {
        let mut text = "a0: &a0 [x]\n".to_owned();
        for level in 1..60 {
            let below = level - 1;
            text += &format!("a{level}: &a{level} [*a{below}, *a{below}, *a{below}]\n");
        }
        assert_eq!(read(&text).unwrap().get("a59").unwrap().list().len(), 3);
        let mut merged = "m0: &m0 {k: v}\n".to_owned();
        for level in 1..200 {
            merged += &format!("m{level}: &m{level}\n  <<: *m{}\n", level - 1);
        }
        assert!(read(&merged).unwrap().get("m199").is_some());
        // The same by lists of merges, and by several merges of one map.
        let mut listed = "m0: &m0 {k: v}\n".to_owned();
        let mut twice = listed.clone();
        for level in 1..60 {
            let below = level - 1;
            listed += &format!("m{level}: &m{level}\n  <<: [*m{below}, *m{below}]\n");
            twice += &format!("m{level}: &m{level}\n  <<: *m{below}\n  <<: *m{below}\n");
        }
        for text in [listed, twice] {
            let tree = read(&text).unwrap();
            assert_eq!(tree.get("m59").unwrap().get("k").unwrap().text(), Some("v"));
        }
    }

    #[test]
    fn what_is_too_much_or_no_yaml_is_refused() {
        assert!(read(&"[".repeat(MAX_DEPTH + 1)).unwrap_err().contains("deeper"));
        assert!(read(&"- x\n".repeat(MAX_NODES + 1)).unwrap_err().contains("more than"));
        assert!(read("a: &a [*a]").is_err());
        assert!(read("a: [").is_err());
    }
}
