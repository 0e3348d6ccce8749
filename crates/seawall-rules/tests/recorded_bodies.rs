//! JSON bodies that docker clients really send (`bodies/*.txt`): the closed schemas must take all
//! of them with no field unknown. Recorded were the CLI 20.10.24 and 28.2.2 and docker-py 7.1.0,
//! each with every flag that has a field. A record is a comment that says what was done, the
//! request line, and the body.

use std::path::Path;

use seawall_rules::command_line;
use seawall_rules::head::{self, HeadLimits};
use seawall_rules::operation::{self, Request};
use seawall_rules::target::{self, ApiVersion};
use seawall_rules::{json, verdict::Refusal};

struct Recorded {
    what: String,
    line: String,
    body: String,
}

fn recorded() -> Vec<Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bodies");
    let mut all = Vec::new();
    for file in std::fs::read_dir(folder).expect("the folder of bodies") {
        let file = file.expect("its entries").path();
        let text = std::fs::read_to_string(&file).expect("a readable file");
        for record in text.trim_end().split("\n\n") {
            let lines: Vec<&str> = record.lines().collect();
            let &[what, line, body] = lines.as_slice() else { panic!("{file:?}: {record}") };
            all.push(Recorded {
                what: format!("{}: {what}", file.display()),
                line: line.to_owned(),
                body: body.to_owned(),
            });
        }
    }
    assert!(all.len() > 50, "{}", all.len());
    all
}

fn request(recorded: &Recorded) -> Result<Request, Refusal> {
    let head = format!(
        "{} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        recorded.line,
        recorded.body.len()
    );
    let limits = HeadLimits { bytes: 64 * 1024, headers: 100 };
    let (head, _) = head::parse(head.as_bytes(), limits)?.expect("a whole head");
    let target = target::parse(&head.target)?;
    let request = operation::recognize(head, target, ApiVersion::new(1, 40))
        .map_err(|(_, refusal)| refusal)?;
    request.with_body(json::parse(recorded.body.as_bytes())?)
}

#[test]
fn every_recorded_body_is_known_whole() {
    let mut wrong = Vec::new();
    for recorded in recorded() {
        match request(&recorded) {
            Ok(request) if !request.facts.unknown.is_empty() => {
                wrong.push(format!("{}: unknown {:?}", recorded.what, request.facts.unknown));
            }
            Ok(_) => {}
            Err(refusal) => wrong.push(format!("{}: {refusal}", recorded.what)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_was_recorded_with_every_flag_asks_for_what_the_flags_say() {
    let everything = recorded()
        .into_iter()
        .find(|recorded| recorded.what.contains("create_container with everything"))
        .expect("docker-py with everything");
    let facts = request(&everything).expect("it is known").facts;
    let rules: Vec<_> = facts.asks.iter().map(|fact| fact.ask.rule()).collect();
    for rule in [
        "escape.privileged",
        "escape.host-pid",
        "escape.bind",
        "escape.capability",
        "escape.volumes-from",
        "escape.device",
        "escape.oom",
        "role.ports",
        "role.volumes",
    ] {
        assert!(rules.contains(&rule), "{rule} is not among {rules:?}");
    }
}

#[test]
fn every_kind_of_thing_is_known_with_the_operations_that_ask_for_it() {
    for recorded in recorded() {
        let Ok(request) = request(&recorded) else { continue };
        for fact in &request.facts.asks {
            let known = fact
                .ask
                .kind()
                .is_none_or(|kind| kind.operations.contains(&request.route.operation));
            assert!(known, "{}: {:?}", recorded.what, fact.ask);
        }
    }
}

/// What the docker command line was seen to send is what its words are read as: they ask for the
/// same.
#[test]
fn described_words_ask_for_what_the_command_line_sent() {
    let mut compared = 0;
    for recorded in recorded() {
        let Some(line) = recorded.what.split_once(": # docker ").map(|(_, line)| line) else {
            continue;
        };
        // It was typed with quotes that the record does not have.
        let line = line.replace("c 1:3 mr", "'c 1:3 mr'");
        let words = command_line::split(&line).expect("no quotes");
        let Ok(described) = command_line::read(&words) else { continue };
        let sent = request(&recorded).expect("it is known");
        let described = described
            .iter()
            .map(|described| described.read(ApiVersion::new(1, 40)).expect("it is known"))
            .find(|described| described.route.operation == sent.route.operation);
        let Some(described) = described else { continue };
        let asks = |request: &Request| {
            let asks = request.facts.asks.iter().map(|fact| fact.ask.notation());
            asks.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(asks(&described), asks(&sent), "{}", recorded.what);
        compared += 1;
    }
    assert!(compared >= 15, "only {compared}");
}
