use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(body: impl AsRef<[u8]>, rule: &str) {
    let body = body.as_ref();
    let text = String::from_utf8_lossy(body);
    match parse(body) {
        Err(refusal) => {
            assert_eq!((refusal.status, refusal.rule), (400, rule), "{text}: {}", refusal.reason);
            assert!(refusal.reason.len() < 200, "{}", refusal.reason);
        }
        Ok(document) => panic!("{text} gave {}, not {rule}", document.value()),
    }
}

#[test]
fn a_body_is_written_afresh_in_its_own_order() {
    let cases = [
        (r#" {"Z": 1, "a" : [true,null, "x" ] } "#, r#"{"Z":1,"a":[true,null,"x"]}"#),
        (
            r#"{"\u0048ostConfig":{"Pr\u0069vileged":true}}"#,
            r#"{"HostConfig":{"Privileged":true}}"#,
        ),
        (r#"{"Cmd":"\ud83d\ude00\n\u0000"}"#, "{\"Cmd\":\"\u{1f600}\\n\\u0000\"}"),
        ("{}", "{}"),
        ("null", "null"),
        ("[]", "[]"),
        // int64, uint64 and what clients send as floats
        (
            "[-9223372036854775808,18446744073709551615,0]",
            "[-9223372036854775808,18446744073709551615,0]",
        ),
        (
            "[0.1,-1.5,2.50,1.0,1e3,0.00123456789012345,777777777777701e1,1e30,0e9]",
            "[0.1,-1.5,2.5,1.0,1000.0,0.00123456789012345,7777777777777010.0,1e+30,0.0]",
        ),
    ];
    for (body, written) in cases {
        let document = parse(body.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(document.to_bytes()).unwrap(), written);
        assert_eq!(parse(written.as_bytes()), Ok(document));
    }
}

/// The engine (20.10.24) took each of these for a container with `Privileged` or `PidMode` set,
/// by a reading that a filter could miss.
#[test]
fn what_the_engine_merges_or_overrides_is_refused() {
    for body in [
        r#"{"HostConfig":{"Privileged":false},"hOSTcONFIG":{"Privileged":true}}"#,
        r#"{"hostconfig":{"PidMode":"host","Privileged":true},"HostConfig":{"Privileged":false}}"#,
        r#"{"HostConfig":{"Binds":["/:/h"]},"HostConfig":{"Privileged":true}}"#,
        r#"{"HostConfig":{"Privileged":true,"Privileged":null}}"#,
        r#"{"HostConfig":{"Binds":[]},"hostconfig":null,"Privileged":true}"#,
        r#"{"\u0048ostConfig":{},"HostConfig":{}}"#,
        r#"{"Labels":{"a":"1","a":"2"}}"#,
        r#"{"Labels":{"a":"1","A":"2"}}"#,
        r#"[{"x":[{"Binds":[],"bindſ":[]}]}]"#,
        "{\"Links\":[],\"LinKs\":[]}",
        "{\"Links\":[],\"Lin\u{212a}s\":[]}",
    ] {
        check(body, "body.duplicate");
    }
    let many: String = (0..40).map(|n| format!("\"a{n}\":0,")).collect();
    assert!(parse(format!("{{{many}\"b\":0}}").as_bytes()).is_ok());
    check(format!("{{{many}\"A7\":0}}"), "body.duplicate");
}

#[test]
fn what_is_not_exactly_one_document_is_refused() {
    for body in [
        "",
        " ",
        "{",
        "{}{}",
        "{} x",
        "{}\0",
        "\u{feff}{}",
        "{'a':1}",
        "{a:1}",
        "[1,]",
        "// x\n{}",
        "NaN",
        "[Infinity]",
        "[01]",
        "[+1]",
        "[.5]",
        "[1.]",
        "[0x1]",
        "\"\t\"",
        r#""\x""#,
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800\u0041""#,
        r#"{"\ud800":1}"#,
        "True",
        "[1e999]",
    ] {
        check(body, "body.syntax");
    }
    check(b"\"\xff\"", "body.syntax");
    check(b"{\"\xc0\xaf\":1}", "body.syntax");
    check(b"[]\xff", "body.syntax");
    check(b"\xff\xfe{\0}\0", "body.syntax");
}

#[test]
fn a_number_that_would_change_on_the_way_is_refused() {
    for number in [
        "-0",
        "18446744073709551616",
        "-9223372036854775809",
        "1e291",
        "1e-301",
        "-1E+291",
        "0.12345678901234567",
        "1234567890123456e0",
    ] {
        check(format!("{{\"a\":[\"\\\\\",{number}]}}"), "body.number");
        // Inside a string it is text.
        assert!(parse(format!("[\"\\\"{number}\"]").as_bytes()).is_ok());
    }
}

#[test]
fn bounds_hold_at_the_limit_and_one_beyond() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    check(nested(MAX_DEPTH + 1), "body.too-deep");
    check("[".repeat(100_000), "body.too-deep");
    check(
        format!("{}1{}", r#"{"a":"#.repeat(MAX_DEPTH + 1), "}".repeat(MAX_DEPTH + 1)),
        "body.too-deep",
    );
    let wide = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
    assert!(parse(wide(MAX_VALUES).as_bytes()).is_ok());
    check(wide(MAX_VALUES + 1), "body.too-many-values");
}

#[test]
fn fields_are_found_as_go_finds_them() {
    let document = parse(br#"{"hostCONFIG":{"Lin\u212as":1},"Image":"x"}"#).unwrap();
    assert_eq!(document.names().collect::<Vec<_>>(), ["hostCONFIG", "Image"]);
    let host = document.field("HostConfig").unwrap();
    assert_eq!(field(host, "Links"), Some(&json!(1)));
    assert_eq!(document.field("Cmd"), None);
    assert_eq!(field(&json!([]), "Cmd"), None);
    assert!(same_field("\u{17f}y\u{17f}CTL\u{17f}", "Sysctls"));
    assert!(!same_field("\u{e9}", "\u{c9}") && !same_field("Sysctl", "Sysctls"));
}

#[test]
fn maps_may_have_names_that_differ_in_case() {
    let body = br#"{"HTTP_PROXY":"a","http_proxy":"b"}"#;
    assert_eq!(parse(body).unwrap_err().rule, "body.duplicate");
    assert!(parse_with(body, Names::Exact).is_ok());
    assert_eq!(parse_with(br#"{"a":1,"a":2}"#, Names::Exact).unwrap_err().rule, "body.duplicate");
}

#[test]
fn neither_the_debug_form_nor_an_error_shows_values() {
    let document = parse(br#"{"Env":["SECRET"]}"#).unwrap();
    assert_eq!(format!("{document:?}"), r#"Document {"Env"}"#);
    for body in ["{\"a\":\"SECRET\"} x", "{\"a\":SECRET}", "{\"a\":\"SECRET\",\"A\":1}"] {
        assert!(!parse(body.as_bytes()).unwrap_err().reason.contains("SECRET"));
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1_000_000_i32..1_000_000, 1_i32..1000)
            .prop_map(|(a, b)| json!(f64::from(a) / f64::from(b))),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 20, |inner| {
        let name = "[a-zA-ZſK\u{212a}.]{0,3}";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..20)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The slow way: every name against every other.
fn has_repeats(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_repeats),
        Value::Object(object) => {
            let names: Vec<String> = object
                .keys()
                .map(|name| {
                    name.replace('\u{212a}', "k").replace('\u{17f}', "s").to_ascii_lowercase()
                })
                .collect();
            (1..names.len()).any(|end| names[..end].contains(&names[end]))
                || object.values().any(has_repeats)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn exactly_the_documents_without_repeats_are_read_and_they_come_back_equal(value in any_value()) {
        let text = value.to_string();
        match parse(text.as_bytes()) {
            Ok(document) => {
                prop_assert!(!has_repeats(&value));
                prop_assert_eq!(document.value(), &value);
                prop_assert_eq!(parse(&document.to_bytes()), Ok(document));
            }
            Err(refusal) if refusal.rule == "body.duplicate" => prop_assert!(has_repeats(&value)),
            Err(refusal) => prop_assert_eq!(refusal.rule, "body.number"),
        }
    }

    #[test]
    fn a_number_means_the_same_when_written_again(number in "-?(0|[1-9][0-9]{0,19})(\\.[0-9]{1,16})?([eE][+-]?[0-9]{1,3})?") {
        if let Ok(document) = parse(number.as_bytes()) {
            let written = String::from_utf8(document.to_bytes()).unwrap();
            prop_assert_eq!(decimal(&number), decimal(&written), "{} -> {}", number, written);
            let integer = |text: &str| !text.contains(['.', 'e', 'E']);
            prop_assert_eq!(integer(&number), integer(&written));
        }
    }

    #[test]
    fn nothing_panics(bytes: Vec<u8>, text in "[\\[\\]{}\",:0-9eE.+\\\\u-]{0,40}") {
        for body in [&bytes[..], text.as_bytes()] {
            if let Ok(document) = parse(body) {
                prop_assert_eq!(parse(&document.to_bytes()), Ok(document));
            }
        }
    }
}

/// A decimal number as sign, digits without zeros at either end, and power of ten.
fn decimal(text: &str) -> (bool, String, i32) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let digits = digits.trim_start_matches('0');
    let trimmed = digits.trim_end_matches('0');
    let zeros = digits.len() - trimmed.len();
    let power = exponent.parse::<i32>().unwrap() - fraction.len() as i32 + zeros as i32;
    (text.starts_with('-'), trimmed.to_owned(), if trimmed.is_empty() { 0 } else { power })
}
