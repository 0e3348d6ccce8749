//! The settings of an engine, and reading them from its command line.

use super::super::Place;

/// One setting of an engine under the name of its long flag, wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `host`, `tlsverify`, `authorization-plugin`.
    pub name: String,
    /// As written; `true` or `false` for a switch.
    pub value: String,
    /// Flag or file.
    pub origin: Origin,
    /// Where it stands.
    pub place: Place,
}

/// What kind of place a setting stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line, as it runs or in a unit.
    CommandLine,
    /// In `daemon.json`.
    File,
}

/// All settings of an engine. A list's entries are settings of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(pub Vec<Setting>);

impl Settings {
    /// Every setting of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Setting> {
        self.0.iter().filter(move |setting| setting.name == name)
    }

    /// The setting of that name that counts, the last.
    pub fn one(&self, name: &str) -> Option<&Setting> {
        self.0.iter().rev().find(|setting| setting.name == name)
    }

    /// Whether the switch of that name is on, if it is set at all.
    pub fn is_on(&self, name: &str) -> Option<bool> {
        self.one(name).map(|setting| is_true(&setting.value))
    }
}

/// Go's `strconv.ParseBool`.
fn is_true(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// Reads the arguments of `dockerd` (without its name), as pflag does: `--name value`,
/// `--name=value`, `-Hvalue`, `-H=value`, `-H value`.
pub fn dockerd(arguments: &[String], place: &Place) -> Settings {
    let mut settings = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (name, inline) = if let Some(long) = argument.strip_prefix("--") {
            match long.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (long.to_owned(), None),
            }
        } else if let Some(short) = argument.strip_prefix('-') {
            let mut characters = short.chars();
            let letter = characters.next();
            let Some(&(_, name)) = SHORT.iter().find(|(known, _)| Some(*known) == letter) else {
                continue;
            };
            let value = characters.as_str();
            let value = value.strip_prefix('=').unwrap_or(value);
            (name.to_owned(), (!value.is_empty()).then(|| value.to_owned()))
        } else {
            continue;
        };
        let value = match inline {
            Some(value) => value,
            None if SWITCHES.contains(&name.as_str()) => "true".to_owned(),
            None => rest.next().cloned().unwrap_or_default(),
        };
        let place = place.clone();
        settings.push(Setting { name, value, origin: Origin::CommandLine, place });
    }
    Settings(settings)
}

/// Reads the arguments of `podman`, if they start its API's service: its flags, and the address
/// as the setting `host`.
pub fn podman_service(arguments: &[String], place: &Place) -> Option<Settings> {
    let at = arguments.windows(2).position(|pair| pair == ["system", "service"])?;
    let mut settings = dockerd(&arguments[at + 2..], place);
    let addresses = arguments[at + 2..].iter().filter(|word| word.contains("://"));
    settings.0.retain(|setting| setting.name != "host");
    settings.0.extend(addresses.map(|address| Setting {
        name: "host".to_owned(),
        value: address.clone(),
        origin: Origin::CommandLine,
        place: place.clone(),
    }));
    Some(settings)
}

/// dockerd's one-letter flags.
const SHORT: &[(char, &str)] = &[
    ('H', "host"),
    ('D', "debug"),
    ('G', "group"),
    ('b', "bridge"),
    ('g', "data-root"),
    ('l', "log-level"),
    ('p', "pidfile"),
    ('s', "storage-driver"),
    ('v', "version"),
    ('h', "help"),
];

/// dockerd's flags that take no value of their own (`dockerd --help`, 20.10 to 29).
const SWITCHES: &[&str] = &[
    "allow-direct-routing",
    "cri-containerd",
    "debug",
    "experimental",
    "help",
    "icc",
    "init",
    "ip-forward",
    "ip-forward-no-drop",
    "ip-masq",
    "ip6tables",
    "iptables",
    "ipv6",
    "live-restore",
    "no-new-privileges",
    "raw-logs",
    "rootless",
    "selinux-enabled",
    "tls",
    "tlsverify",
    "userland-proxy",
    "validate",
    "version",
];

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;

    fn read(line: &str) -> Vec<(String, String)> {
        let settings = dockerd(&words(line), &Place::whole("unit"));
        settings.0.into_iter().map(|setting| (setting.name, setting.value)).collect()
    }

    #[test]
    fn every_way_to_write_a_flag_is_read() {
        let host = || ("host".to_owned(), "tcp://0.0.0.0:2375".to_owned());
        for line in [
            "-H tcp://0.0.0.0:2375",
            "-H=tcp://0.0.0.0:2375",
            "-Htcp://0.0.0.0:2375",
            "--host tcp://0.0.0.0:2375",
            "--host=tcp://0.0.0.0:2375",
            "--host=\"tcp://0.0.0.0:2375\"",
        ] {
            assert_eq!(read(line), [host()], "{line}");
        }
        let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read("-D --tls --tlsverify=false --tlskey k.pem --icc=0 -H fd://"),
            [
                named("debug", "true"),
                named("tls", "true"),
                named("tlsverify", "false"),
                named("tlskey", "k.pem"),
                named("icc", "0"),
                named("host", "fd://"),
            ]
        );
        assert_eq!(read("--host"), [named("host", "")]);
    }

    #[test]
    fn the_last_one_counts() {
        let settings = dockerd(&words("--tls --tls=false"), &Place::whole("unit"));
        assert_eq!(settings.is_on("tls"), Some(false));
        assert_eq!(settings.is_on("tlsverify"), None);
    }

    #[test]
    fn podmans_service_is_told_from_its_other_commands() {
        let place = Place::whole("unit");
        let read = |line| podman_service(&words(line), &place);
        assert_eq!(read("run -H tcp://x image"), None);
        let settings = read("--log-level=info system service --time 0 tcp://0.0.0.0:8888").unwrap();
        assert_eq!(settings.one("host").unwrap().value, "tcp://0.0.0.0:8888");
        assert!(settings.one("tls-client-ca").is_none());
    }
}
