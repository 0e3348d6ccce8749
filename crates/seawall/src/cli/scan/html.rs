//! The report as one HTML page that loads nothing.

use seawall_rules::exposure::Severity;

use super::Outcome;
use super::junit::escaped;

/// Writes the report.
pub(super) fn write(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let title = format!("Exposure of {}", escaped(&report.scanned.join(", ")));
    let counts: String = Severity::ALL
        .iter()
        .rev()
        .map(|severity| {
            let count = outcome.count(*severity);
            format!("<li class=\"{severity}\"><b>{count}</b> {severity}</li>")
        })
        .collect();
    let mut body = format!("<h1>{title}</h1>\n<ul class=\"counts\">{counts}</ul>\n");
    for finding in &report.findings {
        let check = finding.check;
        let evidence: String = finding
            .evidence
            .iter()
            .map(|it| {
                let place = escaped(&it.place.to_string());
                format!("<li><code>{place}</code> {}</li>", escaped(&it.says))
            })
            .collect();
        let weighed = finding.weighed.as_ref();
        let weighed = weighed.map(|why| format!("<p>Weighed: {}</p>\n", escaped(why)));
        body += &format!(
            "<section class=\"{severity}\">\n<h2><span>{severity}</span> {id}: {title}</h2>\n\
             <p><b>{subject}</b>: {what}</p>\n{weighed}<ul>{evidence}</ul>\n<p>{why}</p>\n\
             <pre>{remedy}</pre>\n<p><a href=\"{link}\">{link}</a> {cis}</p>\n</section>\n",
            severity = finding.severity,
            id = check.id,
            title = escaped(check.title),
            subject = escaped(&finding.subject),
            what = escaped(&finding.what),
            weighed = weighed.unwrap_or_default(),
            why = escaped(check.why),
            remedy = escaped(&finding.remedy),
            link = escaped(check.reference),
            cis = match check.cis {
                [] => String::new(),
                ids => format!("CIS {}", ids.join(", ")),
            },
        );
    }
    for (title, lines) in outcome.remarks() {
        let lines: String =
            lines.iter().map(|line| format!("<li>{}</li>\n", escaped(line))).collect();
        body += &format!("<h2>{title}</h2>\n<ul>\n{lines}</ul>\n");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<body>\n{body}</body>\n</html>\n"
    )
}

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
    pre{background:#f4f4f4;padding:.8em;overflow:auto}section{border-left:.4em solid #999;\
    padding:0 1em;margin:2em 0}h2{font-size:1.1em}h2 span{text-transform:uppercase}\
    .critical{border-color:#b00020}.high{border-color:#e65100}.medium{border-color:#f9a825}\
    .low{border-color:#0277bd}.counts{display:flex;gap:1em;list-style:none;padding:0}\
    .counts li{border-left:.4em solid #999;padding-left:.5em}\
    @media(prefers-color-scheme:dark){body{background:#111;color:#ddd}pre{background:#222}\
    a{color:#8ab4f8}}";
