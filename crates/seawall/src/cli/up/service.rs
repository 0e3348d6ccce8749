//! The gate as a systemd service.

use std::path::Path;
use std::process::Command;

use crate::cli::Context;
use crate::cli::report::{Doing, Error};

/// The units as packages ship them; here they get the paths of this binary and its files.
const UNITS: [(&str, &str); 3] = [
    ("seawall.service", include_str!("../../../../../packaging/seawall.service")),
    ("seawall-scan.service", include_str!("../../../../../packaging/seawall-scan.service")),
    ("seawall-scan.timer", include_str!("../../../../../packaging/seawall-scan.timer")),
];
const PACKAGED: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];
const OURS: &str = "/etc/systemd/system";

/// Whether systemd runs this host, sd_booted(3).
pub(in crate::cli) fn systemd_runs() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Whether `--service` can work here; asked before anything is made.
///
/// # Errors
/// Why it cannot.
pub(super) fn check() -> Result<(), Error> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::usage("only root can install a system service")
            .hint("sudo seawall up --service"));
    }
    if !systemd_runs() {
        return Err(Error::failed("systemd does not run this host")
            .hint("leave out `--service` and let your supervisor run `seawall serve`"));
    }
    Ok(())
}

/// Installs the units where no package did, enables them and starts them: the gate, and the daily
/// scan of the host.
///
/// # Errors
/// What systemd said.
pub(super) fn install(context: &Context) -> Result<(), Error> {
    let binary = std::env::current_exe().doing(|| "find the seawall binary".to_owned())?;
    for (name, packaged) in UNITS {
        let unit = unit(packaged, &binary, context)?;
        let is_it = |folder| {
            std::fs::read_to_string(Path::new(folder).join(name)).is_ok_and(|text| text == unit)
        };
        if !PACKAGED.iter().any(is_it) {
            super::plan::write(&Path::new(OURS).join(name), &unit)?;
        }
    }
    systemctl(&["daemon-reload"])?;
    systemctl(&["enable", "seawall.service", "seawall-scan.timer"])?;
    systemctl(&["restart", "seawall.service", "seawall-scan.timer"])
}

fn unit(packaged: &str, binary: &Path, context: &Context) -> Result<String, Error> {
    let mut unit = packaged.replace(
        "ReadWritePaths=/var/lib/seawall",
        &format!("ReadWritePaths={}", context.state_dir.display()),
    );
    for run in ["serve", "reload", "scan --for-gate"] {
        unit = unit.replace(&format!("/usr/bin/seawall {run}"), &command(binary, context, run)?);
    }
    Ok(unit)
}

/// A command of this binary on the files of `context`, as a unit names it.
///
/// # Errors
/// That a path of them would be read otherwise there.
pub(in crate::cli) fn command(
    binary: &Path,
    context: &Context,
    command: &str,
) -> Result<String, Error> {
    let [binary, config, state] = [binary, &context.config_file, &context.state_dir].map(|path| {
        path.to_str()
            .filter(|path| !path.contains(|c: char| c.is_whitespace() || "\"'\\%$".contains(c)))
    });
    let (Some(binary), Some(config), Some(state)) = (binary, config, state) else {
        return Err(Error::usage("a path with spaces or quotes cannot stand in a unit file")
            .hint("move the binary, `--config` or `--state` to a plain path"));
    };
    let mut line = format!("{binary} {command}");
    if config != "/etc/seawall/seawall.toml" {
        line += &format!(" --config {config}");
    }
    if state != "/var/lib/seawall" {
        line += &format!(" --state {state}");
    }
    Ok(line)
}

/// Runs `systemctl`.
///
/// # Errors
/// What it said.
pub(in crate::cli) fn systemctl(arguments: &[&str]) -> Result<(), Error> {
    let line = format!("systemctl {}", arguments.join(" "));
    let output =
        Command::new("systemctl").args(arguments).output().doing(|| format!("run `{line}`"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::failed(format!("`{line}` failed: {}", said.trim().escape_debug()))
        .hint("`journalctl -u seawall -n 20` says why"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_accepts_the_units() {
        // Where there is no systemd, nothing is installed for it either.
        let dir = tempfile::tempdir().unwrap();
        for (name, packaged) in UNITS {
            let plain = packaged.replace("/usr/bin/seawall", "/bin/true");
            std::fs::write(dir.path().join(name), plain).unwrap();
        }
        let files = UNITS.map(|(name, _)| dir.path().join(name));
        let verify =
            Command::new("systemd-analyze").args(["verify", "--man=no"]).args(files).output();
        let Ok(verify) = verify else { return };
        let said = String::from_utf8_lossy(&verify.stderr);
        assert!(!said.contains("seawall"), "{said}");
    }

    fn context(config: &str, state: &str) -> Context {
        Context { config_file: config.into(), state_dir: state.into(), json: false }
    }

    #[test]
    fn the_packaged_units_are_the_ones_for_the_usual_paths() {
        let usual = context("/etc/seawall/seawall.toml", "/var/lib/seawall");
        for (_, packaged) in UNITS {
            assert_eq!(unit(packaged, Path::new("/usr/bin/seawall"), &usual).unwrap(), packaged);
        }
    }

    #[test]
    fn other_paths_stand_in_the_unit() {
        let other = context("/srv/gate.toml", "/srv/state");
        let expected: [(&str, &[&str]); 2] = [
            (
                UNITS[0].1,
                &[
                    "ExecStart=/usr/local/bin/seawall serve --config /srv/gate.toml --state \
                     /srv/state",
                    "ExecReload=/usr/local/bin/seawall reload --config /srv/gate.toml --state \
                     /srv/state",
                    "ReadWritePaths=/srv/state",
                ],
            ),
            (
                UNITS[1].1,
                &[
                    "ExecStart=/usr/local/bin/seawall scan --for-gate --config /srv/gate.toml \
                     --state /srv/state",
                    "ReadWritePaths=/srv/state",
                ],
            ),
        ];
        for (packaged, lines) in expected {
            let unit = unit(packaged, Path::new("/usr/local/bin/seawall"), &other).unwrap();
            for line in lines {
                assert!(unit.lines().any(|it| it == *line), "{line} is not in\n{unit}");
            }
        }
    }

    #[test]
    fn a_path_that_systemd_would_read_otherwise_is_refused() {
        let of = |binary, config| unit(UNITS[0].1, Path::new(binary), &context(config, "/s"));
        assert!(of("/usr/bin/sea wall", "/c").is_err());
        assert!(of("/usr/bin/seawall", "/c%n").is_err());
    }
}
