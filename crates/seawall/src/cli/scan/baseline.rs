//! An earlier report, to tell what is new.

use std::path::Path;

use serde::Deserialize;

use super::super::report::{Doing as _, Error};

#[derive(Debug, Deserialize)]
struct Report {
    findings: Vec<Finding>,
}

#[derive(Debug, Deserialize)]
struct Finding {
    fingerprint: String,
}

/// The fingerprints of a report that `--format json` wrote.
///
/// # Errors
/// [`super::super::report::Kind::Usage`] when it is none.
pub(super) fn read(path: &Path) -> Result<Vec<String>, Error> {
    let text = std::fs::read_to_string(path)
        .doing(|| format!("read the baseline `{}`", path.display()))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| {
        Error::usage(format!("`{}` is no report of a scan: {error}", path.display()))
            .hint("`seawall scan --format json > FILE` writes one")
    })?;
    Ok(report.findings.into_iter().map(|finding| finding.fingerprint).collect())
}
