//! `--explain ID` and `--list`.

use seawall_rules::exposure::{Check, Scope, catalogue, fix};
use serde_json::json;

use super::super::report::{Doing as _, Error};
use super::super::table::table;
use super::Format;

/// All about one check.
///
/// # Errors
/// [`super::super::report::Kind::Usage`] when there is none of that id.
pub(super) fn one(id: &str) -> Result<String, Error> {
    let check = catalogue::named(id).ok_or_else(|| {
        let told = Error::usage(format!("there is no check `{}`", id.escape_debug()));
        let ids = catalogue::all().map(|check| (strsim::jaro_winkler(check.id, id), check.id));
        match ids.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(near, _)| *near > 0.8) {
            Some((_, near)) => told.hint(format!("did you mean {near}?")),
            None => told.hint("`seawall scan --list` lists them"),
        }
    })?;
    let cis = match check.cis {
        [] => String::new(),
        ids => format!("CIS Docker Benchmark 1.6.0: {}\n", ids.join(", ")),
    };
    let fix = match fix::is_fixable(check) {
        true => "`seawall scan --fix` can do it, and asks first.\n",
        false => "",
    };
    Ok(format!(
        "{}  {}\n\nat most {}; looks at {}\n\n{}\n\nTo close it:\n{}\n{}\n{}{}\n",
        check.id,
        check.title,
        check.severity,
        scope(check),
        wrapped(check.why),
        indented(&check.remedy_in_general()),
        fix,
        cis,
        check.reference,
    ))
}

/// All checks.
///
/// # Errors
/// When the list cannot be written as asked.
pub(super) fn list(format: Format) -> Result<String, Error> {
    if format == Format::Json {
        let checks: Vec<_> = catalogue::all().map(as_json).collect();
        let text = serde_json::to_string_pretty(&checks).doing(|| "write the list".to_owned())?;
        return Ok(text + "\n");
    }
    let row = |check: &Check| {
        [
            check.id.to_owned(),
            check.severity.to_string(),
            scope(check).to_owned(),
            check.title.to_owned(),
        ]
    };
    let rows: Vec<_> = catalogue::all().map(row).collect();
    Ok(table(["ID", "AT MOST", "LOOKS AT", "FINDS"], &rows))
}

fn as_json(check: &'static Check) -> serde_json::Value {
    json!({
        "id": check.id,
        "severity": check.severity.as_str(),
        "looks_at": scope(check),
        "title": check.title,
        "why": check.why,
        "remedy": check.remedy_in_general(),
        "fixable": fix::is_fixable(check),
        "cis": check.cis,
        "reference": check.reference,
    })
}

fn scope(check: &Check) -> &'static str {
    match check.scope {
        Scope::Host => "hosts and folders",
        Scope::Address => "addresses",
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn wrapped(text: &str) -> String {
    super::text::wrap(text, 80).join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::super::reference;
    use super::*;

    #[test]
    fn a_check_is_explained_and_its_name_may_be_mistyped() {
        insta::assert_snapshot!(one("cfg-003").unwrap(), @"
        CFG-003  TLS files are named, but neither `tls` nor `tlsverify` is on

        at most critical; looks at hosts and folders

        The engine ignores the files and speaks plain text; it looks protected and is
        not.

        To close it:
          add `--tlsverify` where the files are named (PLACE)

        CIS Docker Benchmark 1.6.0: 2.7
        https://docs.docker.com/engine/security/protect-access/
        ");
        assert_eq!(one("NET-0001").unwrap_err().hints, ["did you mean NET-001?"]);
        assert_eq!(one("x").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn the_reference_of_the_checks_is_the_catalogue() {
        let mut page = "# Checks of `seawall scan`\n\n\
            Generated from the code; do not edit. `seawall scan --explain ID` says the same. The \
            severity is the worst that a check weighs; [scan.md](../scan.md) says how.\n"
            .to_owned();
        for scope in [Scope::Host, Scope::Address] {
            let of_scope: Vec<_> = catalogue::all().filter(|it| it.scope == scope).collect();
            let looks_at = of_scope.first().map_or("", |check| super::scope(check));
            page += &format!("\n## Looking at {looks_at}\n\n| id | at most | finds | CIS |\n");
            page += "| --- | --- | --- | --- |\n";
            for check in &of_scope {
                let anchor = check.id.to_ascii_lowercase();
                let (id, severity, title) = (check.id, check.severity, check.title);
                let cis = check.cis.join(", ");
                page += &format!("| [{id}](#{anchor}) | {severity} | {title} | {cis} |\n");
            }
            for check in of_scope {
                page += &format!(
                    "\n### {}\n\n{}: {}.\n\n{}\n\n```\n{}\n```\n\n<{}>\n",
                    check.id,
                    check.severity,
                    check.title,
                    check.why,
                    check.remedy_in_general(),
                    check.reference
                );
            }
        }
        reference::assert_matches_checked_in("checks.md", &page);
    }

    #[test]
    fn every_check_is_listed() {
        let list = list(Format::Text).unwrap();
        assert_eq!(list.lines().count(), 1 + catalogue::all().count());
        let parsed: serde_json::Value =
            serde_json::from_str(&super::list(Format::Json).unwrap()).unwrap();
        assert_eq!(parsed.as_array().unwrap().len(), catalogue::all().count());
    }
}
