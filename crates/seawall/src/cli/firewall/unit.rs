//! The systemd unit that loads the rules at boot.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::cli::Context;
use crate::cli::report::{Doing, Error};
use crate::cli::up::service::{command, systemctl, systemd_runs};
use crate::enrol::files::{Access, replace};

/// The unit as packages ship it.
const UNIT: &str = include_str!("../../../../../packaging/seawall-firewall.service");
const NAME: &str = "seawall-firewall.service";
const PACKAGED: &str = "/usr/lib/systemd/system/seawall-firewall.service";
const OURS: &str = "/etc/systemd/system/seawall-firewall.service";

/// Has systemd load the rules at boot; says what to do where it does not run.
///
/// # Errors
/// What systemd said.
pub(super) fn install(context: &Context) -> Result<Option<String>, Error> {
    let binary = std::env::current_exe().doing(|| "find the seawall binary".to_owned())?;
    if !systemd_runs() {
        let command = command(&binary, context, "firewall load")?;
        return Ok(Some(format!(
            "NOT KEPT: systemd does not run here; have `{command}` run before the network is up"
        )));
    }
    let unit = unit(&binary, context)?;
    if fs::read_to_string(PACKAGED).is_ok_and(|packaged| packaged == unit) {
        systemctl(&["enable", NAME])?;
    } else {
        replace(Path::new(OURS), unit.as_bytes(), Access::Everyone)
            .doing(|| format!("write {OURS}"))?;
        systemctl(&["daemon-reload"])?;
        systemctl(&["enable", NAME])?;
    }
    Ok(Some(format!("loaded by {NAME}")))
}

/// Undoes [`install`].
///
/// # Errors
/// What systemd said.
pub(super) fn remove() -> Result<(), Error> {
    let there = [PACKAGED, OURS].iter().any(|path| Path::new(path).exists());
    if systemd_runs() && there {
        systemctl(&["disable", NAME])?;
    }
    match fs::remove_file(OURS) {
        Ok(()) if systemd_runs() => systemctl(&["daemon-reload"]),
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).doing(|| format!("remove {OURS}"))
        }
        _ => Ok(()),
    }
}

fn unit(binary: &Path, context: &Context) -> Result<String, Error> {
    let state = context.state_dir.display().to_string();
    Ok(UNIT
        .replace("/usr/bin/seawall firewall load", &command(binary, context, "firewall load")?)
        .replace("/var/lib/seawall", &state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(config: &str, state: &str) -> Context {
        Context { config_file: config.into(), state_dir: state.into(), json: false }
    }

    #[test]
    fn the_packaged_unit_is_the_one_for_the_usual_paths() {
        let usual = context("/etc/seawall/seawall.toml", "/var/lib/seawall");
        assert_eq!(unit(Path::new("/usr/bin/seawall"), &usual).unwrap(), UNIT);
    }

    #[test]
    fn other_paths_stand_in_the_unit() {
        let other = context("/etc/seawall/seawall.toml", "/srv/state");
        let unit = unit(Path::new("/usr/local/bin/seawall"), &other).unwrap();
        let has = |line: &str| assert!(unit.lines().any(|l| l == line), "{line} is not in\n{unit}");
        has("ExecStart=/usr/local/bin/seawall firewall load --state /srv/state");
        has("RequiresMountsFor=/srv/state");
        has("ConditionPathExists=/srv/state/firewall.json");
        assert!(!unit.contains("/var/lib/seawall"), "{unit}");
    }
}
