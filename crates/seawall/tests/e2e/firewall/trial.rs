//! Rules on trial, and sessions that would lock themselves out.

use std::process::Command;

use super::site::{ALLOWED, EVERYBODY, Site};
use crate::support::process::Running;

const BACKENDS: [&str; 2] = ["nft", "iptables"];

#[test]
fn rules_that_nobody_confirms_go_by_themselves() {
    for backend in BACKENDS {
        let site = Site::new();
        site.answer();
        site.run(&["apply", "--backend", backend, "--confirm-within", "10s"]).ok();
        site.wait_for(ALLOWED);
        // Nothing of ours runs any more; the kernel's clock does it.
        site.wait_for(EVERYBODY);
        let (code, said) = site.run(&["confirm"]).fails();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("too late"), "{said}");
        site.wait_for(EVERYBODY);
        site.run(&["remove"]).ok();
        assert_eq!(site.script("nft list ruleset | grep -ci sea || true"), "0", "{}", site.rules());
    }
}

#[test]
fn the_rules_before_are_in_force_again_when_a_trial_is_over() {
    for backend in BACKENDS {
        let site = Site::new();
        site.answer();
        site.run(&["apply", "--backend", backend]).ok();
        site.configure(&["192.168.77.0/24"], "");
        site.run(&["apply", "--confirm-within", "10s"]).ok();
        site.wait_for("bad4 self4 self6");
        site.wait_for(ALLOWED);
    }
}

#[test]
fn confirmed_rules_stay() {
    for backend in BACKENDS {
        let site = Site::new();
        site.answer();
        site.configure(&["192.168.77.0/24"], "");
        site.run(&["apply", "--backend", backend]).ok();
        site.configure(&["10.0.0.0/24", "2001:db8:a::/64"], "");
        site.run(&["apply", "--confirm-within", "1h"]).ok();
        let (code, _) = site.run(&["verify"]).fails();
        assert_eq!(code, Some(3), "a trial is not for good");
        site.run(&["confirm"]).ok();
        site.wait_for(ALLOWED);
        site.run(&["verify"]).ok();
        let (code, said) = site.run(&["confirm"]).fails();
        assert_eq!((code, said.contains("no rules to confirm")), (Some(1), true), "{said}");
    }
}

#[test]
fn a_session_that_would_lock_itself_out_is_told_so() {
    let site = Site::new();
    site.answer();
    let over_ssh = |from: &str, args: &[&str]| {
        let mut command = site.firewall(args);
        command.env("SSH_CONNECTION", format!("{from} 51234 192.168.77.1 22"));
        Running::start(command).wait()
    };
    for args in [&["apply"][..], &["apply", "--confirm-within", "60s"]] {
        let (code, said) = over_ssh("192.168.77.5", args).fails();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("this session comes from 192.168.77.5"), "{said}");
    }
    // `sudo` leaves nothing of it but in the processes above.
    let apply = site.firewall(&["apply"]);
    let mut above = Command::new("nsenter");
    above.arg(apply.get_args().next().unwrap()).args(["sh", "-c"]);
    above.arg("env -u SSH_CONNECTION HOME=/ \"$@\"; exit $?").arg("sh");
    above.args(apply.get_args().skip(1)).env("SSH_CONNECTION", "192.168.77.5 1 192.168.77.1 22");
    let (_, said) = Running::start(above).wait().fails();
    assert!(said.contains("this session comes from 192.168.77.5"), "{said}");
    site.wait_for(EVERYBODY);
    over_ssh("::ffff:10.0.0.5", &["apply"]).ok();
    over_ssh("192.168.77.5", &["apply", "--lock-me-out"]).ok();
    site.wait_for(ALLOWED);
}
