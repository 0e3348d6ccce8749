//! `seawall scan --fix` on the files of a host of the test's own, and the way back.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use crate::support::process::{Done, Running};
use crate::support::terminal::Terminal;

struct Image {
    dir: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Image {
    /// A host with a key that everybody may read, and a socket unit with a port.
    fn new() -> Self {
        let image = Self { dir: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
        for (path, text) in [
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
            ("etc/group", "root:x:0:\n"),
            ("etc/docker/daemon.json", "{\"tlskey\": \"/etc/docker/key.pem\"}"),
            ("etc/docker/key.pem", "-----BEGIN PRIVATE KEY-----\n"),
            ("lib/systemd/system/docker.socket", "[Socket]\nListenStream=2375\n"),
        ] {
            let file = image.path(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
        }
        let open = fs::Permissions::from_mode(0o644);
        fs::set_permissions(image.path("etc/docker/key.pem"), open).unwrap();
        image
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn mode(&self) -> u32 {
        fs::metadata(self.path("etc/docker/key.pem")).unwrap().mode() & 0o777
    }

    fn drop_in(&self) -> PathBuf {
        self.path("etc/systemd/system/docker.socket.d/zz-seawall.conf")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
        command.arg("scan").args(args).arg("--state").arg(self.state.path());
        command.arg("--config").arg(self.state.path().join("seawall.toml"));
        command
    }

    fn fix(&self, args: &[&str]) -> Command {
        let root = self.dir.path().to_str().unwrap();
        self.command(&[&["--root", root, "--fix"], args].concat())
    }

    fn run(&self, command: Command) -> Done {
        Running::start(command).wait()
    }
}

#[test]
fn what_can_be_put_right_is_and_is_taken_back() {
    let image = Image::new();
    let done = image.run(image.fix(&["--yes"]));
    for line in [
        "--- /etc/docker/key.pem",
        "-mode 0644, owner 0, group 0",
        "+mode 0600, owner 0, group 0",
        "+++ /etc/systemd/system/docker.socket.d/zz-seawall.conf",
        "to take it back: seawall scan --undo",
        "sudo systemctl restart docker.socket",
    ] {
        assert!(done.stderr.contains(line), "no `{line}` in {done}");
    }
    assert_eq!(image.mode(), 0o600);
    assert!(fs::read_to_string(image.drop_in()).unwrap().contains("ListenStream=\n"));
    // The report is of how it is now.
    assert!(!done.stdout.contains("KEY-002") && !done.stdout.contains("NET-006"), "{done}");

    let undone = image.run(image.command(&["--undo"])).ok();
    assert!(undone.contains("taken back: /etc/docker/key.pem"), "{undone}");
    assert_eq!(image.mode(), 0o644);
    assert!(!image.drop_in().exists());
    let (code, error) = image.run(image.command(&["--undo"])).fails();
    assert_eq!(code, Some(1));
    assert!(error.contains("there is nothing to take back"), "{error}");
}

#[test]
fn an_engine_is_taken_off_its_tcp_ports_and_put_back() {
    let image = Image::new();
    let unit = "[Service]\nExecStart=/usr/bin/dockerd -H fd:// -H tcp://0.0.0.0:2375 --debug\n";
    fs::write(image.path("lib/systemd/system/docker.service"), unit).unwrap();
    let json = image.path("etc/docker/daemon.json");
    let settings = "{\"hosts\": [\"tcp://[::]:2377\"], \"icc\": false}";
    fs::write(&json, settings).unwrap();
    fs::set_permissions(&json, fs::Permissions::from_mode(0o600)).unwrap();
    let drop_in = image.path("etc/systemd/system/docker.service.d/zz-seawall.conf");

    let done = image.run(image.fix(&["--yes"]));
    for line in [
        "closes NET-001 tcp://0.0.0.0:2375",
        "+ExecStart=/usr/bin/dockerd -H fd:// --debug",
        "closes NET-001 tcp://[::]:2377",
        "-{\"hosts\": [\"tcp://[::]:2377\"], \"icc\": false}",
        "not in force before: sudo systemctl daemon-reload && sudo systemctl restart docker.service",
    ] {
        assert!(done.stderr.contains(line), "no `{line}` in {done}");
    }
    let text = fs::read_to_string(&drop_in).unwrap();
    assert!(text.ends_with("ExecStart=\nExecStart=/usr/bin/dockerd -H fd:// --debug\n"), "{text}");
    assert_eq!(fs::read_to_string(&json).unwrap(), "{\n  \"icc\": false\n}\n");
    assert_eq!(fs::metadata(&json).unwrap().mode() & 0o777, 0o600);
    assert!(!done.stdout.contains("NET-001"), "{done}");
    // What stands there is a unit that systemd takes.
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).arg(format!("--root={}", image.dir.path().display()));
    verify.arg("docker.service");
    let said = Running::start(verify).wait().stderr;
    assert!(!said.contains("zz-seawall.conf"), "{said}");

    image.run(image.command(&["--undo"])).ok();
    assert!(!drop_in.exists());
    assert_eq!(fs::read_to_string(&json).unwrap(), settings);
    assert_eq!(fs::metadata(&json).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_command_that_is_not_plain_is_left_to_its_author() {
    let image = Image::new();
    let unit = "[Service]\nExecStart=/usr/bin/dockerd --label \"a b\" -H tcp://0.0.0.0:2375\n";
    fs::write(image.path("lib/systemd/system/docker.service"), unit).unwrap();
    let done = image.run(image.fix(&["--yes"]));
    assert!(done.stderr.contains("its command is to be changed by hand"), "{done}");
    assert!(done.stdout.contains("NET-001"), "{done}");
    assert!(!image.path("etc/systemd/system/docker.service.d").exists());
}

#[test]
fn nothing_is_changed_that_nobody_agreed_to() {
    let image = Image::new();
    let (code, error) = image.run(image.fix(&[])).fails();
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("hint: run it in a terminal, or say yes to all of them with `--yes`"));
    assert_eq!(image.mode(), 0o644);

    // Asked about both, the answer to the first is yes.
    let mut terminal = Terminal::start(&image.fix(&[]));
    terminal.screen.wait_for("make this change? [y/N] ");
    terminal.type_keys(b"y\n");
    terminal.screen.wait_for("zz-seawall.conf");
    terminal.type_keys(b"n\n");
    terminal.screen.wait_for("changed 1 of 1");
    terminal.wait();
    assert_eq!(image.mode(), 0o600);
    assert!(!image.drop_in().exists());
}
