//! Paths of the host that a request binds, followed to where they lead: the engine would follow a
//! symbolic link, and what it binds must be what was judged.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use seawall_rules::escape::bounded;
use seawall_rules::facts::is_plain_path;
use seawall_rules::verdict::Refusal;

/// Where each of these paths leads.
///
/// # Errors
/// A [`Refusal`] with status 403 for a path that the gate cannot follow.
pub(super) async fn followed(paths: Vec<String>) -> Result<BTreeMap<String, String>, Refusal> {
    let mut to = BTreeMap::new();
    for path in paths {
        let end = follow(Path::new(&path)).await.map_err(|why| refused(&path, &why))?;
        to.insert(path, end);
    }
    Ok(to)
}

/// Where a path leads. Of one that is not there yet, which the engine may make, the part that is
/// there is followed.
async fn follow(path: &Path) -> Result<String, String> {
    let mut there = path.to_owned();
    let mut missing = PathBuf::new();
    let end = loop {
        match tokio::fs::canonicalize(&there).await {
            Ok(end) => break end,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // A link that leads nowhere is there itself.
                if tokio::fs::symlink_metadata(&there).await.is_ok() {
                    return Err("a symbolic link in it leads nowhere".to_owned());
                }
                let name = there.file_name().map(PathBuf::from).unwrap_or_default();
                missing = if missing.as_os_str().is_empty() { name } else { name.join(missing) };
                there.pop();
            }
            Err(error) => return Err(format!("the gate cannot follow it: {error}")),
        }
    };
    let end = if missing.as_os_str().is_empty() { end } else { end.join(missing) };
    match end.to_str() {
        Some(end) if is_plain_path(end) && !end.contains(':') => Ok(end.to_owned()),
        _ => Err("it leads to a path that cannot be written in a request".to_owned()),
    }
}

fn refused(path: &str, why: &str) -> Refusal {
    let path = bounded(path.as_bytes(), 256);
    Refusal::forbidden("escape.bind-path", format!("may not bind `{path}`: {why}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn a_path_is_followed_as_far_as_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name).to_str().unwrap().to_owned();
        std::fs::create_dir(at("real")).unwrap();
        symlink(at("real"), at("link")).unwrap();
        symlink("link", at("twice")).unwrap();
        symlink(at("gone"), at("nowhere")).unwrap();
        symlink("around", at("around")).unwrap();
        std::fs::create_dir(at("co:lon")).unwrap();
        symlink(at("co:lon"), at("odd")).unwrap();
        for (path, end) in [
            ("real", Some("real")),
            ("link", Some("real")),
            ("twice", Some("real")),
            ("twice/a/b", Some("real/a/b")),
            ("new", Some("new")),
            ("nowhere", None),
            ("nowhere/a", None),
            ("around", None),
            ("odd", None),
        ] {
            let found = follow(Path::new(&at(path))).await;
            assert_eq!(found.clone().ok(), end.map(at), "{path}: {found:?}");
        }
        assert_eq!(follow(Path::new("/")).await.as_deref(), Ok("/"));
    }
}
