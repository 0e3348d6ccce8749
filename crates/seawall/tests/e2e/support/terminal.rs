//! A command on a terminal of its own.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use nix::pty::{Winsize, openpty};

use super::process::Collected;
use super::wait::{SHORT, until};

/// A command whose standard streams are one pseudo-terminal, which is its controlling terminal.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    slave: OwnedFd,
    /// What it shows.
    pub(crate) screen: Collected,
}

impl Terminal {
    /// Starts `command` on a terminal of 24 rows and 80 columns.
    pub(crate) fn start(command: &Command) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        // `setsid` makes it the controlling terminal, so that resizing sends SIGWINCH.
        let mut on_terminal = Command::new("setsid");
        on_terminal.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => on_terminal.env(name, value),
                None => on_terminal.env_remove(name),
            };
        }
        let child = on_terminal
            .env("TERM", "xterm")
            .stdin(pty.slave.try_clone().unwrap())
            .stdout(pty.slave.try_clone().unwrap())
            .stderr(pty.slave.try_clone().unwrap())
            .spawn()
            .unwrap();
        let keys = File::from(pty.master);
        let screen = Collected::reading(keys.try_clone().unwrap());
        Self { child, keys, slave: pty.slave, screen }
    }

    /// Types.
    pub(crate) fn type_keys(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// Does it again, a few times a second, until the screen shows `needle`.
    #[track_caller]
    pub(crate) fn again_until(&mut self, needle: &str, mut it: impl FnMut(&mut Self)) {
        let screen = self.screen.clone();
        let mut round = 0;
        until(
            SHORT,
            || format!("no `{needle}` in {:?}", screen.text()),
            || {
                if round % 40 == 0 {
                    it(self);
                }
                round += 1;
                screen.text().contains(needle)
            },
        );
    }

    /// Types the keys until the screen shows `needle`.
    #[track_caller]
    pub(crate) fn type_until(&mut self, keys: &[u8], needle: &str) {
        self.again_until(needle, |terminal| terminal.type_keys(keys));
    }

    /// Resizes the terminal and types the keys until the screen shows `needle`. More than once,
    /// because the client misses a change until some time after it shows output.
    #[track_caller]
    pub(crate) fn resize_until(&mut self, rows: u16, columns: u16, keys: &[u8], needle: &str) {
        self.again_until(needle, |terminal| {
            terminal.resize(rows, columns - 1);
            terminal.resize(rows, columns);
            terminal.type_keys(keys);
        });
    }

    /// Changes the terminal's size.
    fn resize(&self, rows: u16, columns: u16) {
        let status = Command::new("stty")
            .args(["rows", &rows.to_string(), "cols", &columns.to_string()])
            .stdin(Stdio::from(self.slave.try_clone().unwrap()))
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for the command to end and returns its exit code.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Option<i32> {
        let mut status = None;
        until(
            SHORT,
            || format!("it still runs; the screen shows {:?}", self.screen.text()),
            || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            },
        );
        status.unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
