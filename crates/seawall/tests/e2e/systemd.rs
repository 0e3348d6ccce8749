//! The gate as a service of a real systemd: started, reloaded, restarted, upgraded, and back after a
//! reboot, with the kernel's rules, the daily scan and the port that systemd holds.

use crate::support::process::Running;
use crate::support::systemd::Machine;
use crate::support::wait::{LONG, until};

impl Machine {
    // `docker ps` through the gate, as the admin that `up` has made.
    fn docker_answers(&self) -> bool {
        self.run(["docker", "--context", "seawall", "ps"]).status.success()
    }

    #[track_caller]
    fn up(&self) {
        self.run(["seawall", "up", "--yes", "--service"]).ok();
        assert_eq!(self.unit("seawall", "ActiveState"), "active");
        self.run(["docker", "--context", "seawall", "ps"]).ok();
    }

    #[track_caller]
    fn wait_until_docker_answers(&self) {
        let why = || format!("no answer; {}", self.journal("seawall"));
        until(LONG, why, || self.docker_answers());
    }
}

#[test]
fn the_service_runs_confined_and_comes_back_after_a_reboot() {
    let machine = Machine::boot();
    machine.up();
    // Type=notify: it is active when it serves, and what confines it is in force.
    let pid = machine.unit("seawall", "MainPID");
    let status = machine.run(["cat", &format!("/proc/{pid}/status")]).ok();
    for line in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "no {line} in {status}");
    }
    machine.run(["seawall", "status"]).ok();

    machine.reboot();
    machine.wait_until_docker_answers();
    assert_eq!(machine.unit("seawall", "UnitFileState"), "enabled");
    machine.run(["seawall", "log", "verify"]).ok();
}

#[test]
fn the_service_reloads_restarts_and_is_brought_back_when_it_dies() {
    let machine = Machine::boot();
    machine.up();
    let pid = || machine.unit("seawall", "MainPID");
    let first = pid();

    machine.run(["seawall", "identity", "add", "carol", "--role", "viewer", "--invite"]).ok();
    machine.run(["systemctl", "reload", "seawall"]).ok();
    assert_eq!(pid(), first, "a reload keeps the process");
    // What does not hold is refused by the reload, and the old stays in force.
    machine.run(["sh", "-c", "echo 'surprise = 1' >>/etc/seawall/seawall.toml"]).ok();
    machine.run(["systemctl", "reload", "seawall"]).fails();
    machine.run(["docker", "--context", "seawall", "ps"]).ok();
    machine.run(["sed", "-i", "/^surprise/d", "/etc/seawall/seawall.toml"]).ok();

    machine.run(["systemctl", "restart", "seawall"]).ok();
    machine.run(["docker", "--context", "seawall", "ps"]).ok();
    let second = pid();
    assert_ne!(second, first);

    machine.run(["systemctl", "kill", "--signal=KILL", "seawall"]).ok();
    machine.wait_until_docker_answers();
    assert_ne!(pid(), second);
    assert_eq!(machine.unit("seawall", "NRestarts"), "1");

    // An upgrade in place is the same service.
    let third = pid();
    machine.run(["systemctl", "kill", "--signal=USR2", "seawall"]).ok();
    until(
        LONG,
        || format!("no upgrade; {}", machine.journal("seawall")),
        || machine.journal("seawall").contains("stopping: no new requests"),
    );
    machine.wait_until_docker_answers();
    assert_eq!(pid(), third);
    assert_eq!(machine.unit("seawall", "ActiveState"), "active");

    machine.run(["systemctl", "stop", "seawall"]).ok();
    assert_eq!(machine.unit("seawall", "Result"), "success");
    assert_eq!(machine.unit("seawall", "ActiveState"), "inactive");
}

#[test]
fn connections_wait_at_the_port_that_systemd_holds() {
    let machine = Machine::boot();
    machine.up();
    machine.run(["systemctl", "stop", "seawall"]).ok();
    let listen = r#"s|^listen = .*|listen = ["fd://"]|"#;
    machine.run(["sed", "-i", listen, "/etc/seawall/seawall.toml"]).ok();
    let unit = "/usr/lib/systemd/system/seawall.socket";
    let text = include_str!("../../../../packaging/seawall.socket");
    let mut install = Running::spawn(
        machine.command(["install", "-m", "644", "/dev/stdin", unit]),
        std::process::Stdio::piped(),
    );
    install.write(text.as_bytes());
    install.wait().ok();
    machine.run(["systemctl", "daemon-reload"]).ok();
    machine.run(["systemctl", "enable", "--now", "seawall.socket"]).ok();
    // The first connection starts it, and none is refused while it restarts.
    assert_eq!(machine.unit("seawall", "ActiveState"), "inactive");
    machine.run(["docker", "--context", "seawall", "ps"]).ok();
    let restart = Running::start(machine.command(["systemctl", "restart", "seawall"]));
    for _ in 0..5 {
        machine.run(["docker", "--context", "seawall", "ps"]).ok();
    }
    restart.wait().ok();
    assert_eq!(machine.unit("seawall", "ActiveState"), "active");
}

#[test]
fn the_daily_scan_runs_by_its_timer_and_the_gate_shows_it() {
    let machine = Machine::boot();
    machine.up();
    let timers =
        machine.run(["systemctl", "list-timers", "--no-legend", "seawall-scan.timer"]).ok();
    assert!(timers.contains("seawall-scan.service"), "{timers}");
    machine.run(["systemctl", "start", "seawall-scan.service"]).ok();
    assert_eq!(machine.unit("seawall-scan", "Result"), "success");
    let status = machine.run(["seawall", "status"]).ok();
    let scan = status.lines().find(|line| line.contains("scan")).unwrap_or_default();
    assert!(scan.contains("ago") || scan.contains("just now"), "{status}");

    machine.reboot();
    assert_eq!(machine.unit("seawall-scan.timer", "ActiveState"), "active");
}

#[test]
fn the_kernels_rules_are_there_before_the_network_after_a_reboot() {
    let machine = Machine::boot();
    machine.up();
    machine.run(["seawall", "firewall", "apply"]).ok();
    let rules = || machine.run(["nft", "list", "table", "inet", "seawall"]).ok();
    let before = rules();

    machine.reboot();
    assert_eq!(machine.unit("seawall-firewall", "ActiveState"), "active");
    assert_eq!(rules(), before);
    let reached =
        |unit| -> u64 { machine.unit(unit, "ActiveEnterTimestampMonotonic").parse().unwrap() };
    assert!(reached("seawall-firewall.service") <= reached("network-pre.target"));
    assert!(reached("seawall-firewall.service") <= reached("seawall.service"));
    machine.run(["seawall", "firewall", "verify"]).ok();
}

#[test]
fn a_timer_asks_what_is_due_for_renewal() {
    let machine = Machine::boot();
    machine.up();
    let made = machine.run(["seawall", "renew", "--install"]).ok();
    assert!(made.contains("made: seawall-renew.timer"), "{made}");
    assert_eq!(machine.unit("seawall-renew.timer", "ActiveState"), "active");
    machine.run(["systemctl", "start", "seawall-renew.service"]).ok();
    assert_eq!(machine.unit("seawall-renew", "Result"), "success");
    assert_ne!(machine.unit("seawall-renew", "ExecMainExitTimestamp"), "");

    machine.reboot();
    assert_eq!(machine.unit("seawall-renew.timer", "ActiveState"), "active");
}
