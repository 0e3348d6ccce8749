//! `seawall renew --install`: a systemd timer of the user's own (of the system's for root).

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::HEXLOWER;

use super::Target;
use crate::cli::report::{self, Doing as _, Error};
use crate::enrol::owner::Owner;
use crate::pki::sha256;

/// Writes the timer and its service, and starts the timer.
pub(super) fn install(target: &Target) -> Result<(), Error> {
    let program = std::env::current_exe().doing(|| "find this program".to_owned())?;
    let command = command_line(&program, target)?;
    let manager = Manager::of_this_user()?;
    let name = unit_name(target);
    let written = manager.write(&name, &command)?;
    let timer = format!("{name}.timer");
    let started = manager
        .control(&["daemon-reload"])
        .and_then(|()| manager.control(&["enable", "--now", &timer]));
    if let Err(why) = started {
        for file in &written {
            // They do nothing without a manager; the error below is the one to tell.
            let _ = fs::remove_file(file);
        }
        return Err(Error::failed(format!("systemd does not take the timer: {why}"))
            .hint(format!("with cron, `crontab -e` and add: {}", cron_line(&command))));
    }
    let mut text = format!("made: {timer}, which renews every hour whatever is due\n");
    text += &format!("see: {} list-timers {timer}\n", manager.systemctl());
    if manager == Manager::User {
        text += "it runs while you are logged in; for all the time: loginctl enable-linger\n";
    }
    report::print(text)
}

// Certificates may be short-lived, and to look costs nothing: every hour. Not all machines in
// the same second.
fn timer_unit() -> &'static str {
    "[Unit]\n\
     Description=Renew certificates for Seawall gates\n\
     \n\
     [Timer]\n\
     OnCalendar=hourly\n\
     RandomizedDelaySec=30min\n\
     Persistent=true\n\
     \n\
     [Install]\n\
     WantedBy=timers.target\n"
}

fn service_unit(command: &[String]) -> String {
    let quoted: Vec<_> = command.iter().map(|word| systemd_word(word)).collect();
    format!(
        "[Unit]\n\
         Description=Renew certificates for Seawall gates\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         ExecStart={}\n",
        quoted.join(" ")
    )
}

fn command_line(program: &Path, target: &Target) -> Result<Vec<String>, Error> {
    let text = |path: &Path| {
        let plain = path.to_str().filter(|text| !text.contains(char::is_control));
        plain.map(str::to_owned).ok_or_else(|| {
            Error::failed(format!("`{}` cannot stand in a unit file", path.display()))
        })
    };
    let mut command = vec![text(program)?, "renew".to_owned()];
    match target {
        Target::Contexts { docker_config } => {
            command.extend(["--all".to_owned(), "--docker-config".to_owned()]);
            command.push(text(docker_config)?);
        }
        Target::Folder(dir) => command.extend(["--cert-path".to_owned(), text(dir)?]),
    }
    command.push("--if-due".to_owned());
    Ok(command)
}

fn unit_name(target: &Target) -> String {
    let other = |path: &Path| {
        let hash = HEXLOWER.encode(&sha256(path.as_os_str().as_encoded_bytes())[..4]);
        format!("seawall-renew-{hash}")
    };
    match target {
        Target::Contexts { docker_config } => match Owner::Current.docker_config() {
            Ok(usual) if usual == *docker_config => "seawall-renew".to_owned(),
            _ => other(docker_config),
        },
        Target::Folder(dir) => other(dir),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    System,
    User,
}

impl Manager {
    fn of_this_user() -> Result<Self, Error> {
        Ok(if nix::unistd::geteuid().is_root() { Self::System } else { Self::User })
    }

    fn systemctl(self) -> &'static str {
        match self {
            Self::System => "systemctl",
            Self::User => "systemctl --user",
        }
    }

    fn folder(self) -> Result<PathBuf, Error> {
        if self == Self::System {
            return Ok("/etc/systemd/system".into());
        }
        let set =
            |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        set("XDG_CONFIG_HOME")
            .or_else(|| Some(set("HOME")?.join(".config")))
            .map(|config| config.join("systemd/user"))
            .ok_or_else(|| Error::usage("cannot tell where your files are: HOME is not set"))
    }

    fn write(self, name: &str, command: &[String]) -> Result<[PathBuf; 2], Error> {
        let folder = self.folder()?;
        fs::create_dir_all(&folder).doing(|| format!("create {}", folder.display()))?;
        let write = |kind: &str, text: &str| {
            let path = folder.join(format!("{name}.{kind}"));
            fs::write(&path, text).doing(|| format!("write {}", path.display()))?;
            Ok::<_, Error>(path)
        };
        Ok([write("service", &service_unit(command))?, write("timer", timer_unit())?])
    }

    // The reason on failure.
    fn control(self, args: &[&str]) -> Result<(), String> {
        let mut words = self.systemctl().split(' ').chain(args.iter().copied()).map(OsStr::new);
        let output = Command::new(words.next().unwrap_or_default()).args(words).output();
        let output = output.map_err(|error| format!("cannot run systemctl: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().next().unwrap_or("it says nothing");
        Err(first.chars().filter(|c| !c.is_control()).take(200).collect())
    }
}

/// One word of `ExecStart=` (systemd.service(5), "Command lines").
fn systemd_word(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('%', "%%").replace('$', "$$"))
}

/// A line for crontab(5), at a minute that differs between machines and users.
fn cron_line(command: &[String]) -> String {
    let words: Vec<_> = command.iter().map(|word| shell_word(word)).collect();
    let line = words.join(" ");
    let minute = sha256(line.as_bytes())[0] % 60;
    format!("{minute} * * * * {}", line.replace('%', "\\%"))
}

fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_renews_what_it_was_installed_for() {
        let program = Path::new("/usr/bin/seawall");
        let contexts = Target::Contexts { docker_config: "/home/al 100%/.docker".into() };
        let command = command_line(program, &contexts).unwrap();
        assert_eq!(
            service_unit(&command).lines().last().unwrap(),
            r#"ExecStart="/usr/bin/seawall" "renew" "--all" "--docker-config" "/home/al 100%%/.docker" "--if-due""#
        );
        let (_, line) =
            cron_line(&command).split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert_eq!(
            line,
            r"* * * * /usr/bin/seawall renew --all --docker-config '/home/al 100\%/.docker' --if-due"
        );
        let folder = Target::Folder("/srv/certs".into());
        assert_eq!(
            command_line(program, &folder).unwrap(),
            ["/usr/bin/seawall", "renew", "--cert-path", "/srv/certs", "--if-due"]
        );
    }

    #[test]
    fn systemd_accepts_the_units() {
        let dir = tempfile::tempdir().unwrap();
        let command = ["/bin/true".to_owned(), "a b".to_owned(), "100%".to_owned()];
        let service = dir.path().join("seawall-renew.service");
        let timer = dir.path().join("seawall-renew.timer");
        fs::write(&service, service_unit(&command)).unwrap();
        fs::write(&timer, timer_unit()).unwrap();
        let verify =
            Command::new("systemd-analyze").arg("verify").args([&service, &timer]).output();
        // Where there is no systemd, nothing is installed for it either.
        let Ok(verify) = verify else { return };
        let said = String::from_utf8_lossy(&verify.stderr);
        assert!(!said.contains("seawall-renew"), "{said}");
    }
}
