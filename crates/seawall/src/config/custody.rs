//! Whether nobody else can change a file: as sshd's `StrictModes` looks at `authorized_keys`, the
//! file itself and every folder above it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, geteuid};

use crate::cli::report::Error;

/// Refuses a file that others than root and this user may change, or put another one in place of.
///
/// # Errors
/// What they may change, with the command that ends it; or that it cannot be looked at.
pub(crate) fn require(file: &Path) -> Result<(), Error> {
    let unseen = |path: &Path, error: &io::Error| {
        Error::usage(format!("cannot look at `{}`: {error}", path.display()))
    };
    let named = std::path::absolute(file).map_err(|error| unseen(file, &error))?;
    let real = named.canonicalize().map_err(|error| unseen(&named, &error))?;
    // Whoever can exchange a link on the way can exchange the file.
    for path in named.ancestors().chain(real.ancestors()) {
        let metadata = std::fs::metadata(path).map_err(|error| unseen(path, &error))?;
        if let Some(way_out) = open_to_others(path, &metadata) {
            let what = match path == named || path == real {
                true => format!("change `{}`", path.display()),
                false => format!("replace `{}`, through `{}`,", file.display(), path.display()),
            };
            let message = format!("others may {what} and with it who may enter the gate");
            return Err(Error::usage(message).hint(way_out));
        }
    }
    Ok(())
}

/// The command that makes it ours alone, if it is not.
fn open_to_others(path: &Path, metadata: &Metadata) -> Option<String> {
    let shown = path.display();
    let (us, owner) = (geteuid(), Uid::from_raw(metadata.uid()));
    if !owner.is_root() && owner != us {
        return Some(format!("run: chown {us} '{shown}'"));
    }
    let mode = metadata.permissions().mode();
    // In a sticky folder nobody can replace what is another's.
    if metadata.is_dir() && mode & 0o1000 != 0 {
        return None;
    }
    let group = mode & 0o020 != 0 && !is_our_own(Gid::from_raw(metadata.gid()), us);
    (group || mode & 0o002 != 0).then(|| format!("run: chmod go-w '{shown}'"))
}

/// Whether a group is root's, or the one that a user has for himself on many systems.
fn is_our_own(group: Gid, us: Uid) -> bool {
    let named = |group| Group::from_gid(group).ok().flatten().map(|group| group.name);
    let private = || {
        let user = User::from_uid(us).ok().flatten()?;
        Some(user.gid == group && named(group)? == user.name)
    };
    group.as_raw() == 0 || private().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    struct Nested {
        _dir: tempfile::TempDir,
        folder: PathBuf,
        file: PathBuf,
    }

    fn nested() -> Nested {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("etc");
        let inner = folder.join("seawall");
        std::fs::create_dir_all(&inner).unwrap();
        let file = inner.join("seawall.toml");
        std::fs::write(&file, "").unwrap();
        for path in [&folder, &inner] {
            chmod(path, 0o755);
        }
        chmod(&file, 0o644);
        Nested { _dir: dir, folder, file }
    }

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_and_every_folder_above_it_must_be_ours_alone() {
        let Nested { _dir, folder, file } = nested();
        require(&file).unwrap();
        for (path, mode, fine) in [
            (&file, 0o600, true),
            (&file, 0o646, false),
            (&file, 0o644, true),
            (&folder, 0o757, false),
            // As /tmp is.
            (&folder, 0o1777, true),
            (&folder, 0o700, true),
        ] {
            chmod(path, mode);
            let found = require(&file);
            assert_eq!(found.is_ok(), fine, "{} {mode:o}: {found:?}", path.display());
        }
    }

    #[test]
    fn a_link_is_as_safe_as_both_its_ends() {
        let [here, there] = [nested(), nested()];
        let link = here.folder.join("link.toml");
        std::os::unix::fs::symlink(&there.file, &link).unwrap();
        require(&link).unwrap();
        for end in [&here.folder, &there.folder] {
            chmod(end, 0o777);
            let refused = require(&link).unwrap_err();
            assert!(refused.message.contains(end.to_str().unwrap()), "{refused}");
            assert_eq!(refused.hints, [format!("run: chmod go-w '{}'", end.display())]);
            chmod(end, 0o755);
        }
    }

    #[test]
    fn a_group_is_others_unless_it_is_roots_or_the_users_own() {
        let us = geteuid();
        assert!(is_our_own(Gid::from_raw(0), us));
        assert!(!is_our_own(Gid::from_raw(12_345_678), us));
    }
}
