//! Binds, mounts and tmpfs: what of the host a container sees.

use std::fmt;

use serde_json::Value;

use super::escape::{BIND_OPTION, BIND_PATH, MOUNT_TYPE, PROPAGATION, TMPFS_OPTION, VOLUME_DRIVER};
use super::image::ImageName;
use super::schema::{Reader, Schema, Shape, escapes, harmless, judged, schema};
use super::{Ask, container};

/// Whether a bind may be written through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// `ro`.
    ReadOnly,
    /// `rw`.
    ReadWrite,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "ro",
            Self::ReadWrite => "rw",
        })
    }
}

/// `HostConfig.Mounts`.
pub(super) const MOUNT: Schema = schema(&[
    harmless("BindOptions", Shape::Object(&BIND_OPTIONS)),
    // Windows and podman.
    escapes("ClusterOptions", Shape::Names, MOUNT_TYPE),
    harmless("Consistency", Shape::Text),
    harmless("ImageOptions", Shape::Object(&IMAGE_OPTIONS)),
    harmless("ReadOnly", Shape::Truth),
    harmless("Source", Shape::Text),
    harmless("Target", Shape::Text),
    harmless("TmpfsOptions", Shape::Object(&TMPFS_OPTIONS)),
    harmless("Type", Shape::Text),
    harmless("VolumeOptions", Shape::Object(&VOLUME_OPTIONS)),
])
.and(mount);

const BIND_OPTIONS: Schema = schema(&[
    harmless("CreateMountpoint", Shape::Truth),
    harmless("NonRecursive", Shape::Truth),
    judged("Propagation", Shape::Text, propagation),
    harmless("ReadOnlyForceRecursive", Shape::Truth),
    harmless("ReadOnlyNonRecursive", Shape::Truth),
]);

const IMAGE_OPTIONS: Schema = schema(&[harmless("Subpath", Shape::Text)]);

const TMPFS_OPTIONS: Schema = schema(&[
    harmless("Mode", Shape::Integer),
    judged("Options", Shape::Alternatives, |value, reader| {
        for (index, option) in value.as_array().into_iter().flatten().enumerate() {
            let words: Vec<_> = option.as_array().into_iter().flatten().collect();
            let words: Vec<_> = words.iter().filter_map(|word| word.as_str()).collect();
            if !is_harmless_tmpfs_option(&words.join("=")) {
                reader.escape_in(&format!("[{index}]"), TMPFS_OPTION, option);
            }
        }
    }),
    harmless("SizeBytes", Shape::Integer),
]);

const VOLUME_OPTIONS: Schema = schema(&[
    harmless("DriverConfig", Shape::Object(&DRIVER_CONFIG)),
    judged("Labels", Shape::TextMap, container::labels),
    harmless("NoCopy", Shape::Truth),
    harmless("Subpath", Shape::Text),
]);

const DRIVER_CONFIG: Schema = schema(&[
    judged("Name", Shape::Text, driver),
    escapes("Options", Shape::TextMap, VOLUME_DRIVER),
]);

/// A volume's driver: every other one than `local` is a plugin.
pub(super) fn driver(value: &Value, reader: &mut Reader) {
    if !matches!(value.as_str(), None | Some("" | "local")) {
        reader.escape(VOLUME_DRIVER, value);
    }
}

fn propagation(value: &Value, reader: &mut Reader) {
    if !matches!(value.as_str(), None | Some("" | "private" | "rprivate")) {
        reader.escape(PROPAGATION, value);
    }
}

fn mount(value: &Value, reader: &mut Reader) {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let truth = |value: Option<&Value>| value.and_then(Value::as_bool).unwrap_or_default();
    let options = value.get("BindOptions");
    let option = |name: &str| truth(options.and_then(|options| options.get(name)));
    let source = text("Source");
    match text("Type") {
        "bind" => {
            // Without recursion the mounts below stay writable, and a missing folder is made.
            let writes = !truth(value.get("ReadOnly"))
                || option("ReadOnlyNonRecursive")
                || option("CreateMountpoint");
            let access = if writes { Access::ReadWrite } else { Access::ReadOnly };
            reader.ask_in("Source", bind(source, access));
        }
        // Without a source it is a new volume without a name.
        "volume" if source.is_empty() => {}
        "volume" => reader.ask_in("Source", volume(source)),
        "tmpfs" => {}
        "image" => reader.ask_in("Source", Ask::Image(ImageName::new(source))),
        // `npipe`, `cluster`, and what comes.
        _ => reader.escape_in("Type", MOUNT_TYPE, value.get("Type").unwrap_or(&Value::Null)),
    }
}

/// `HostConfig.Binds`, split as the engine splits them (moby `linuxParser.ParseMountRaw`):
/// `SOURCE:TARGET[:OPTIONS]`, where a source that begins with a slash is a path of the host and
/// any other the name of a volume; `TARGET` alone is a new volume without a name.
pub(super) fn binds(value: &Value, reader: &mut Reader) {
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let place = format!("[{index}]");
        let parts: Vec<&str> = item.as_str().unwrap_or_default().split(':').collect();
        let (source, options) = match *parts.as_slice() {
            [_] => continue,
            [source, _] => (source, ""),
            [source, _, options] => (source, options),
            // The engine refuses it; another one may not.
            _ => {
                reader.escape_in(&place, BIND_PATH, item);
                continue;
            }
        };
        let mut access = Access::ReadWrite;
        for option in options.split(',') {
            match option {
                "ro" => access = Access::ReadOnly,
                "" | "rw" | "private" | "rprivate" | "nocopy" | "cached" | "consistent"
                | "delegated" => {}
                "shared" | "rshared" | "slave" | "rslave" => {
                    reader.escape_in(&place, PROPAGATION, item);
                }
                // `z` and `Z` give the host's files another SELinux label.
                _ => reader.escape_in(&place, BIND_OPTION, item),
            }
        }
        reader.ask_in(
            &place,
            if source.starts_with('/') { bind(source, access) } else { volume(source) },
        );
    }
}

fn bind(source: &str, access: Access) -> Ask {
    if is_plain_path(source) {
        Ask::Bind(source.to_owned(), access)
    } else {
        Ask::Escape(BIND_PATH, crate::escape::quoted(source.as_bytes()))
    }
}

/// What is no name of a volume is refused by Docker, and a relative path for Podman.
pub(super) fn volume(name: &str) -> Ask {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(plain) {
        Ask::Volume(name.to_owned())
    } else {
        Ask::Escape(BIND_PATH, crate::escape::quoted(name.as_bytes()))
    }
}

/// Whether an absolute path is its own lexical normal form: no empty, `.` or `..` segment, no
/// slash at the end, no control characters. `/tmp/../etc` and `//etc` pass the engine as they
/// stand.
pub fn is_plain_path(path: &str) -> bool {
    path == "/"
        || path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
                && !rest.contains(char::is_control)
        })
}

/// `HostConfig.Tmpfs`: target and options.
pub(super) fn tmpfs(value: &Value, reader: &mut Reader) {
    for (target, options) in value.as_object().into_iter().flatten() {
        let text = options.as_str().unwrap_or_default();
        if !text.split(',').all(is_harmless_tmpfs_option) {
            reader.escape_in(target, TMPFS_OPTION, options);
        }
    }
}

/// Devices and set-user-id files stay shut, as the engine has it by default.
fn is_harmless_tmpfs_option(option: &str) -> bool {
    let name = option.split_once('=').map_or(option, |(name, _)| name);
    matches!(
        name,
        "" | "exec"
            | "gid"
            | "mode"
            | "nodev"
            | "noexec"
            | "nosuid"
            | "nr_inodes"
            | "ro"
            | "rw"
            | "size"
            | "uid"
    )
}
