//! Does the engine read a target as we do? Each spelling is sent raw, beside the one we would
//! write: both must mean the same. `ambiguous` has those that we refuse.

use seawall_rules::target;

use crate::support::engine::Engine;
use crate::support::raw::{Connection, request};

/// Status and body of the engine's answer to `GET` of a raw target.
fn ask(engine: &Engine, raw: &str) -> (u16, String) {
    let mut engine = Connection::unix(&engine.socket());
    engine.send(request("GET", raw));
    let answer = engine.answer("GET");
    (answer.status, answer.text())
}

#[test]
fn the_engine_reads_our_spelling_as_it_read_the_clients() {
    let cases = [
        ("/_ping", 200),
        ("/v1.41/images/json?all=1&", 200),
        ("/v1.41/images/json?", 200),
        ("/v1.41/images/json?filters=%7B%22reference%22%3A%5B%22a+b%22%5D%7D", 200),
        (r#"/v1.41/images/json?filters={"dangling":["true"]}"#, 200),
        ("/v1.41/images/json?&&all", 200),
        ("/v1.41%2Fimages/json", 200),
        ("/v1.41/images%2Fjson", 200),
        ("/%76ersion", 200),
        // Names of nothing: the message repeats the name the engine read.
        ("/v1.41/images/registry%3A5000%2Fa%2Fb%3At/json", 404),
        ("/v1.41/images/a/b%40sha256:0123/json", 400),
        ("/v1.41/containers/a+b/json", 404),
        ("/v1.41/containers/a%2Bb%20c/json", 404),
        ("/v1.41/containers/%E2%82%AC/json", 404),
        ("/v1.41/containers/a%252Fb/json", 404),
        ("/v1.41/containers/a/b/c/json", 404),
        ("/v1.41/containers/!$&'()*,=~/json", 404),
        ("/v1.41/containers/x/archive?path=%2Fa+b%2Bc", 404),
        ("/v1.41", 404),
        ("/", 404),
    ];
    // Nobody else adds images to this one in between.
    let engine = Engine::start();
    for (raw, status) in cases {
        let answer = ask(&engine, raw);
        assert_eq!(answer.0, status, "{raw}: {}", answer.1);
        // The one spelling the engine serves that we refuse: a version that hides its slash.
        if let Ok(target) = target::parse(raw) {
            assert_eq!(ask(&engine, &target.to_string()), answer, "{raw} -> {target}");
        } else {
            assert_eq!(raw, "/v1.41%2Fimages/json");
        }
    }
}
