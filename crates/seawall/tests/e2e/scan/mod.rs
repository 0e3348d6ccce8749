//! `seawall scan` of roots that are made for the test, one good and one bad for every check, and
//! of real engines that are started insecurely.

mod address;
mod files;
mod fix;
mod live;
mod oracle;
mod report;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::process::{Done, Running};

/// A host's files.
pub(super) struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    /// A host with accounts and nothing else.
    pub(super) fn host() -> Self {
        let tree = Self { dir: tempfile::tempdir().unwrap() };
        tree.file("etc/passwd", "root:x:0:0::/root:/bin/sh\nal:x:1000:1000::/home/al:/bin/sh\n");
        tree.file("etc/group", "root:x:0:\ndocker:x:998:\n");
        tree
    }

    /// A folder that is no host's.
    pub(super) fn repository() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(super) fn file(&self, path: &str, text: &str) -> &Self {
        fs::write(self.path(path), text).unwrap();
        self.mode(path, 0o644)
    }

    pub(super) fn mode(&self, path: &str, mode: u32) -> &Self {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub(super) fn owner(&self, path: &str, uid: u32, gid: u32) -> &Self {
        std::os::unix::fs::chown(self.path(path), Some(uid), Some(gid)).unwrap();
        self
    }

    pub(super) fn link(&self, target: &str, path: &str) -> &Self {
        symlink(target, self.path(path)).unwrap();
        self
    }

    pub(super) fn socket(&self, path: &str, mode: u32, gid: u32) -> &Self {
        // The socket stays when its listener is gone.
        drop(UnixListener::bind(self.path(path)).unwrap());
        self.owner(path, 0, gid).mode(path, mode)
    }

    /// A certificate and its key by openssl: `PATH.pem` and `PATH-key.pem`, by `issuer` if there
    /// is one.
    pub(super) fn certificate(
        &self,
        path: &str,
        key: &str,
        days: &str,
        extensions: &[&str],
    ) -> &Self {
        let out = self.path(&format!("{path}.pem"));
        let key_out = self.path(&format!("{path}-key.pem"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-nodes", "-sha256", "-subj", "/CN=test", "-days", days]);
        match key {
            "P-256" => openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
            rsa => openssl.args(["-newkey", rsa]),
        };
        // Without openssl's own extensions.
        openssl.args(["-config", "/dev/stdin", "-extensions", "own"]);
        let config =
            format!("[req]\ndistinguished_name=dn\n[dn]\n[own]\n{}\n", extensions.join("\n"));
        let config_file = self.path(".openssl.cnf");
        fs::write(&config_file, config).unwrap();
        let args: Vec<_> = openssl
            .get_args()
            .map(|arg| {
                if arg == "/dev/stdin" {
                    config_file.as_os_str().to_owned()
                } else {
                    arg.to_owned()
                }
            })
            .collect();
        let mut openssl = Command::new("openssl");
        openssl.args(args).arg("-keyout").arg(&key_out).arg("-out").arg(&out);
        Running::start(openssl).wait().ok();
        fs::remove_file(config_file).unwrap();
        self.mode(&format!("{path}.pem"), 0o444).mode(&format!("{path}-key.pem"), 0o400)
    }

    /// dockerd as process 100, with these arguments and listening sockets (as the kernel's table
    /// has them: `0.0.0.0:2375`).
    pub(super) fn dockerd(&self, arguments: &str, listens: &[&str]) -> &Self {
        let arguments = format!("dockerd {arguments}");
        self.file("proc/100/cmdline", &arguments.trim().replace(' ', "\0"));
        self.link("/usr/bin/dockerd", "proc/100/exe");
        let (mut tcp, mut tcp6) = ("heading\n".to_owned(), "heading\n".to_owned());
        for (at, address) in listens.iter().enumerate() {
            let inode = 700 + at;
            let address: std::net::SocketAddr = address.parse().unwrap();
            let words = |bytes: &[u8]| {
                let words = bytes.chunks(4).map(|it| u32::from_ne_bytes(it.try_into().unwrap()));
                words.map(|word| format!("{word:08X}")).collect::<String>()
            };
            let (table, ip) = match address.ip() {
                std::net::IpAddr::V4(ip) => (&mut tcp, words(&ip.octets())),
                std::net::IpAddr::V6(ip) => (&mut tcp6, words(&ip.octets())),
            };
            *table += &format!(" 0: {ip}:{:04X} 0:0 0A 0:0 0:0 0 0 0 {inode} 1\n", address.port());
            self.link(&format!("socket:[{inode}]"), &format!("proc/100/fd/{}", at + 3));
        }
        self.file("proc/100/net/tcp", &tcp).file("proc/100/net/tcp6", &tcp6)
    }

    /// `seawall scan --root` of it with more arguments.
    pub(super) fn scan(&self, args: &[&str]) -> Done {
        scan_of(self.dir.path(), args)
    }

    /// Its report.
    #[track_caller]
    pub(super) fn report(&self) -> Value {
        let done = self.scan(&["--format", "json"]);
        assert!(matches!(done.status.code(), Some(0 | 3)), "{done}");
        serde_json::from_str(&done.stdout).unwrap()
    }
}

fn scan_of(root: &Path, args: &[&str]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
    command.arg("scan").arg("--root").arg(root).args(args);
    Running::start(command).wait()
}

/// The findings of that check.
pub(super) fn findings<'a>(report: &'a Value, id: &str) -> Vec<&'a Value> {
    let all = report["findings"].as_array().unwrap();
    all.iter().filter(|finding| finding["id"] == id).collect()
}

/// What became of that check.
pub(super) fn state<'a>(report: &'a Value, id: &str) -> &'a str {
    let all = report["checks"].as_array().unwrap();
    let check = all.iter().find(|check| check["id"] == id);
    check.and_then(|check| check["state"].as_str()).unwrap_or("not-applicable")
}
