//! What a decision costs, whoever and however many there are: `cargo bench -p seawall-rules --bench
//! decision`. docs/benchmarks.md says how to read it.

#![allow(missing_docs, reason = "a program, not an interface")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use seawall_rules::head::{Framing, Method, RequestHead, Version};
use seawall_rules::json;
use seawall_rules::operation::{self, Request};
use seawall_rules::policy::{Permissions, Roles, judge};
use seawall_rules::target::{self, ApiVersion};
use seawall_rules::verdict::Verdict;
use toml::de::DeTable;

/// Rounds of which the quickest counts.
const ROUNDS: u32 = 9;
const DECISIONS: usize = 5_000;
const CREATE: &str = r#"{"Image":"registry.example.com/shop/web:1","User":"1000","Labels":{"team":"web"},
    "HostConfig":{"Memory":67108864,"Binds":["/srv/shop/static:/www:ro","data:/data"],
    "PortBindings":{"80/tcp":[{"HostPort":"8080"}]}}}"#;

fn main() {
    println!("nanoseconds of one decision\n");
    println!("{:>12}{:>9}{:>14}{:>16}", "identities", "roles", "without body", "create");
    for (identities, roles) in [(1, 1), (1_000, 1), (1, 1_000), (1_000, 1_000)] {
        let all = site(roles);
        let permissions: Vec<_> = (0..identities)
            .map(|number| Permissions::compile(&all, [format!("role-{}", number % roles).as_str()]))
            .collect();
        let list = request(Method::Get, "/v1.41/containers/json", Framing::None);
        let create = request(Method::Post, "/v1.41/containers/create", Framing::Chunked);
        let body = json::parse(CREATE.as_bytes()).expect("JSON");
        let create = create.with_body(body).expect("a body");
        println!(
            "{identities:>12}{roles:>9}{:>14.0}{:>16.0}",
            decision(&permissions, &list),
            decision(&permissions, &create)
        );
    }
}

/// Roles of the configuration, each of which grants both requests.
fn site(count: usize) -> Arc<Roles> {
    let mut text = String::new();
    for number in 0..count {
        writeln!(
            text,
            "[role-{number}]\noperations = [\"ContainerCreate\", \"ContainerList\"]\n\
             images = [\"alpine\", \"registry.example.com/shop/*\"]\nusers = [\"1000\"]\n\
             binds = [\"/srv/shop/static:ro\"]\nvolumes = [\"data\"]\nports = [\"8000-8999\"]\n\
             memory = \"1GiB\"\nlabels = [\"team=*\"]"
        )
        .expect("a String");
    }
    let table = DeTable::parse(&text).expect("TOML");
    Arc::new(Roles::with(&[table.get_ref()], &[]).expect("roles"))
}

fn request(method: Method, target: &str, framing: Framing) -> Request {
    let head = RequestHead {
        method,
        version: Version::Http11,
        target: target.to_owned(),
        framing,
        upgrade: None,
        expect_continue: false,
        keep_alive: true,
        content_type: Some("application/json".to_owned()),
        forwarded: Vec::new(),
    };
    let target = target::parse(target).expect(target);
    operation::recognize(head, target, ApiVersion::new(1, 40)).expect("a request")
}

/// Nanoseconds of a decision. A request is given away to be judged, so there are as many of it as
/// decisions; they and what comes of them are made and dropped outside of what is measured.
fn decision(permissions: &[Permissions], request: &Request) -> f64 {
    // Kept from round to round: memory that is touched for the first time would be measured too.
    let mut verdicts = Vec::with_capacity(DECISIONS);
    let round = |_| {
        verdicts.clear();
        let requests: Vec<_> = (0..DECISIONS).map(|_| request.clone()).collect();
        let start = Instant::now();
        for (request, permissions) in requests.into_iter().zip(permissions.iter().cycle()) {
            verdicts.push(judge(permissions, black_box(request)));
        }
        let took = start.elapsed();
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Allow(_))));
        took
    };
    let quickest = (0..ROUNDS).map(round).min().unwrap_or_default();
    quickest.as_secs_f64() * 1e9 / DECISIONS as f64
}
