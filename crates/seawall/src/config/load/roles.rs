//! The roles of the configuration: those of `seawall.toml`, and of `roles.d/*.toml` beside it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seawall_rules::policy::Roles;
use seawall_rules::reply::Redact;
use toml::de::{DeTable, DeValue};

use super::{Reader, read};
use crate::cli::Context;
use crate::cli::report::{Doing, Error};
use crate::config::problems::{Origin, Problems};
use crate::config::{Admin, Audit, Upstream};

/// A file of `roles.d`.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    text: String,
}

/// The files of `roles.d` beside the configuration, by name; none where there is no such folder.
pub(super) fn files(config_file: &Path) -> Result<Vec<File>, Error> {
    let folder = config_file.with_file_name("roles.d");
    let listing = || format!("list {}", folder.display());
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).doing(listing),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.doing(listing)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| match read(&path)? {
            Some(text) => Ok(File { path, text }),
            // Somebody is changing it at this moment: half of the roles are not the roles.
            None => Err(Error::usage(format!("`{}` went while it was read", path.display()))),
        })
        .collect()
}

/// Whether a text holds roles and nothing else.
pub(super) fn are_alone(text: &str) -> bool {
    let (document, _) = DeTable::parse_recoverable(text);
    let table = document.get_ref();
    !table.is_empty() && table.keys().all(|key| key.get_ref() == "roles")
}

/// Puts a file in the place of the one of its name, or beside the others.
pub(super) fn replace(files: &mut Vec<File>, path: &Path, text: String) {
    files.retain(|file| file.path.file_name() != path.file_name());
    files.push(File { path: path.to_owned(), text });
    files.sort_by(|a, b| a.path.file_name().cmp(&b.path.file_name()));
}

/// What no role may bind, beside the host's own folders: whoever could write there would change
/// who may do what, or the record of it.
pub(super) fn protected(
    context: &Context,
    upstream: &Upstream,
    audit: &Audit,
    admin: &Admin,
) -> Vec<String> {
    let engine = match upstream {
        Upstream::Unix(path) => Some(path),
        Upstream::Tls { .. } => None,
    };
    let paths = [&context.state_dir, &context.config_file, &audit.dir, &admin.socket];
    paths
        .into_iter()
        .chain(engine)
        // What a request binds is followed before it is judged.
        .flat_map(|path| [Some(path.clone()), path.canonicalize().ok()])
        .flatten()
        .map(|path| path.to_string_lossy().trim_end_matches('/').to_owned())
        .collect()
}

/// All roles there are. Complaints about the main file join the others about it; those about a
/// file of `roles.d` are an error of their own, as they are told with their own text.
pub(super) fn roles(
    reader: &mut Reader<'_>,
    files: &[File],
    protected: &[String],
) -> Result<Arc<Roles>, Error> {
    let main = reader.roles.take().unwrap_or_default();
    let mut tables = vec![main];
    for file in files {
        tables.push(table(file)?);
    }
    let tables: Vec<&DeTable<'_>> = tables.iter().collect();
    let redact = redact(reader);
    let problems = match Roles::with(&tables, protected) {
        Ok(roles) => return Ok(Arc::new(roles.redacting(redact))),
        Err(problems) => problems,
    };
    let mut told = vec![Problems::default(); tables.len()];
    for problem in problems {
        let origin = Origin::File(problem.span);
        let place = match problem.text {
            0 => &mut reader.problems,
            text => &mut told[text],
        };
        place.add(&origin, problem.message, problem.hint);
    }
    let mut wrong = files.iter().zip(told.into_iter().skip(1)).filter(|(_, all)| !all.is_empty());
    match wrong.next() {
        Some((file, problems)) => Err(problems.into_error(&file.path, &file.text)),
        // The complaints about the main file are made with all others about it.
        None => Ok(Roles::built_in()),
    }
}

fn redact(reader: &mut Reader<'_>) -> Redact {
    let labels = reader.texts("redact.labels");
    for label in labels.iter().filter(|label| label.value.is_empty()) {
        let hint = "write a part of the names of the labels that are to be hidden".to_owned();
        let message = "`redact.labels` has an empty text, which is in every name".to_owned();
        reader.problems.add(&label.origin, message, Some(hint));
    }
    Redact::with(labels.into_iter().map(|label| label.value))
}

/// The roles of one file, which holds nothing else.
fn table(file: &File) -> Result<DeTable<'_>, Error> {
    let mut problems = Problems::default();
    let (document, errors) = DeTable::parse_recoverable(&file.text);
    for error in errors {
        let origin = Origin::File(error.span().unwrap_or(0..0));
        problems.add(&origin, error.message().replace('\n', ", "), None);
    }
    let mut roles = DeTable::new();
    for (key, value) in document.into_inner() {
        match value.into_inner() {
            DeValue::Table(table) if key.get_ref() == "roles" => roles = table,
            _ => problems.add(
                &Origin::File(key.span()),
                "a file of `roles.d` holds roles and nothing else".to_owned(),
                Some("write `[roles.NAME]`, as in `seawall.toml`".to_owned()),
            ),
        }
    }
    match problems.is_empty() {
        true => Ok(roles),
        false => Err(problems.into_error(&file.path, &file.text)),
    }
}
