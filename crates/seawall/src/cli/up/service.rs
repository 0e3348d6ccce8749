//! The gate as a systemd service.

use std::path::Path;
use std::process::Command;

use crate::cli::Context;
use crate::cli::report::{Doing, Error};

/// The unit as packages ship it; here it gets the paths of this binary and its files.
const UNIT: &str = include_str!("../../../../../packaging/seawall.service");
const PACKAGED: [&str; 2] =
    ["/usr/lib/systemd/system/seawall.service", "/lib/systemd/system/seawall.service"];
const OURS: &str = "/etc/systemd/system/seawall.service";

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

/// Installs the unit where no package did, enables it and starts it.
///
/// # Errors
/// What systemd said.
pub(super) fn install(context: &Context) -> Result<(), Error> {
    let binary = std::env::current_exe().doing(|| "find the seawall binary".to_owned())?;
    let unit = unit(&binary, context)?;
    let packaged =
        PACKAGED.iter().any(|path| std::fs::read_to_string(path).is_ok_and(|t| t == unit));
    if !packaged {
        super::plan::write(Path::new(OURS), &unit)?;
    }
    systemctl(&["daemon-reload"])?;
    systemctl(&["enable", "seawall.service"])?;
    systemctl(&["restart", "seawall.service"])
}

fn unit(binary: &Path, context: &Context) -> Result<String, Error> {
    let (serve, reload) = (command(binary, context, "serve")?, command(binary, context, "reload")?);
    Ok(UNIT
        .replace("/usr/bin/seawall serve", &serve)
        .replace(
            "ReadWritePaths=/var/lib/seawall",
            &format!("ReadWritePaths={}", context.state_dir.display()),
        )
        .replace("/usr/bin/seawall reload", &reload))
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
        let other = context("/srv/gate.toml", "/srv/state");
        let unit = unit(Path::new("/usr/local/bin/seawall"), &other).unwrap();
        let has = |line: &str| assert!(unit.lines().any(|l| l == line), "{line} is not in\n{unit}");
        has("ExecStart=/usr/local/bin/seawall serve --config /srv/gate.toml --state /srv/state");
        has("ExecReload=/usr/local/bin/seawall reload --config /srv/gate.toml --state /srv/state");
        has("ReadWritePaths=/srv/state");
    }

    #[test]
    fn a_path_that_systemd_would_read_otherwise_is_refused() {
        assert!(unit(Path::new("/usr/bin/sea wall"), &context("/c", "/s")).is_err());
        assert!(unit(Path::new("/usr/bin/seawall"), &context("/c%n", "/s")).is_err());
    }
}
