//! Files that are whole or not there, after a crash as well.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Permission bits of what is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// 0600, folders 0700.
    Owner,
    /// 0644, folders 0755, less the umask.
    Everyone,
}

/// Replaces a file: its content is the old or the new one at every moment.
pub(crate) fn replace(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let parent = parent(path)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let new = parent.join(format!(".{}.seawall", name.to_string_lossy()));
    remove(&new)?;
    create(&new, content, access)?;
    fs::rename(&new, path)?;
    sync_folder(parent)
}

/// Makes a file that is not there yet.
pub(crate) fn create(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let mode = match access {
        Access::Owner => 0o600,
        Access::Everyone => 0o644,
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes a folder and what is missing above it.
pub(crate) fn folder(path: &Path, access: Access) -> io::Result<()> {
    let mode = match access {
        Access::Owner => 0o700,
        Access::Everyone => 0o755,
    };
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

/// Puts `new` where `at` is, both folders on one filesystem, in one step; what was there is at
/// `new` afterwards, if anything was. Answers `false`, having changed nothing, where the
/// filesystem can't do that.
pub(super) fn swap_folder(new: &Path, at: &Path) -> io::Result<bool> {
    let swapped = match fs::exists(at)? {
        true => renameat_with(CWD, new, CWD, at, RenameFlags::EXCHANGE),
        false => rustix::fs::rename(new, at),
    };
    match swapped {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error.into()),
        Ok(()) => {
            sync_folder(parent(at)?)?;
            sync_folder(parent(new)?)?;
            Ok(true)
        }
    }
}

/// Whether [`swap_folder`] can exchange two folders below `dir`. The caller holds its lock.
pub(super) fn swaps_folders(dir: &Path) -> io::Result<bool> {
    let [a, b] = [".seawall-a", ".seawall-b"].map(|name| dir.join(name));
    folder(&a, Access::Owner)?;
    folder(&b, Access::Owner)?;
    let swapped = swap_folder(&a, &b);
    remove_folder(&a)?;
    remove_folder(&b)?;
    swapped
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_file(path))
}

/// Removes a folder with all that is in it, if it is there.
pub(super) fn remove_folder(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_dir_all(path))
}

/// Makes what was renamed or made in a folder last.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn parent(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapping_folders_leaves_the_old_one_in_the_place_of_the_new() {
        let dir = tempfile::tempdir().unwrap();
        let (new, at) = (dir.path().join("new"), dir.path().join("at"));
        for round in ["one", "two"] {
            folder(&new, Access::Owner).unwrap();
            fs::write(new.join("file"), round).unwrap();
            assert!(swap_folder(&new, &at).unwrap());
            assert_eq!(fs::read_to_string(at.join("file")).unwrap(), round);
            assert_eq!(fs::exists(&new).unwrap(), round == "two");
            remove_folder(&new).unwrap();
        }
    }

    #[test]
    fn a_leftover_of_a_crash_does_not_stop_a_replacement() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        fs::write(dir.path().join(".key.pem.seawall"), "torn").unwrap();
        replace(&path, b"whole", Access::Owner).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
