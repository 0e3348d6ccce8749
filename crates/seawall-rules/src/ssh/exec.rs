//! What a client may ask of an SSH channel: the engine, in the few ways in which Docker's clients
//! say that, and nothing else.

use crate::escape::quoted;

/// What a client asked a channel to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish<'a> {
    /// A command (RFC 4254 section 6.5), as received.
    Exec(&'a [u8]),
    /// A login shell.
    Shell,
    /// A stream to a Unix socket (`direct-streamlocal@openssh.com`, OpenSSH's PROTOCOL).
    Streamlocal(&'a str),
    /// A subsystem, `sftp` for instance.
    Subsystem(&'a str),
}

/// Why a channel is not what the client asked for: one line, to stand after `seawall: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// The exit status of a command that is refused: what a shell answers where there is no such
/// command.
pub const NOT_FOUND: u8 = 127;

/// Decides whether a wish is for the engine behind the gate.
///
/// A client that names a socket by its usual path means the engine of this host; which one that
/// is, is not the client's to say.
///
/// # Errors
/// [`Refused`] for every other wish.
pub fn means_the_engine(wish: Wish<'_>) -> Result<(), Refused> {
    match wish {
        Wish::Exec(command) => exec(command),
        Wish::Streamlocal(path) => socket(path),
        Wish::Shell => Err(Refused("there is no shell here, only a Docker engine".to_owned())),
        Wish::Subsystem(name) => {
            Err(Refused(format!("there is no subsystem {} here", quoted(name.as_bytes()))))
        }
    }
}

/// `docker [--host[=]unix://PATH] system dial-stdio`, `docker` by any path: what the docker
/// command line from 18.09 on, docker-py, bollard and VS Code send.
fn exec(command: &[u8]) -> Result<(), Refused> {
    let refused =
        || Refused(format!("only `docker system dial-stdio` runs here, not {}", quoted(command)));
    let words = words(command).ok_or_else(refused)?;
    let (program, mut rest) = words.split_first().ok_or_else(refused)?;
    if *program != "docker" && !(program.starts_with('/') && program.ends_with("/docker")) {
        return Err(refused());
    }
    let host = match rest {
        ["--host" | "-H", host, after @ ..] => {
            rest = after;
            Some(*host)
        }
        [first, after @ ..] => match first.strip_prefix("--host=") {
            Some(host) => {
                rest = after;
                Some(host)
            }
            None => None,
        },
        [] => None,
    };
    if rest != ["system", "dial-stdio"] {
        return Err(refused());
    }
    match host {
        None => Ok(()),
        Some(host) => socket(host.strip_prefix("unix://").ok_or_else(refused)?),
    }
}

/// Words with single spaces between, each plain or in quotes as a whole. What a shell would do
/// anything else with is refused.
fn words(command: &[u8]) -> Option<Vec<&str>> {
    let command = str::from_utf8(command).ok().filter(|command| command.len() <= MAX_COMMAND)?;
    let plain = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=".contains(&byte))
    };
    command
        .split(' ')
        .map(|word| {
            let bare = ['\'', '"']
                .iter()
                .find_map(|&quote| word.strip_prefix(quote)?.strip_suffix(quote))
                .unwrap_or(word);
            plain(bare).then_some(bare)
        })
        .collect()
}

/// Bytes of a command; the longest that is accepted has 100 or so.
pub const MAX_COMMAND: usize = 512;

/// The paths at which engines and their clients expect each other.
fn socket(path: &str) -> Result<(), Refused> {
    let of_a_user = |path: &str| {
        path.strip_prefix("/run/user/").and_then(|rest| rest.split_once('/')).is_some_and(
            |(uid, socket)| {
                !uid.is_empty()
                    && uid.bytes().all(|byte| byte.is_ascii_digit())
                    && matches!(socket, "docker.sock" | "podman/podman.sock")
            },
        )
    };
    let usual = matches!(
        path,
        "/var/run/docker.sock"
            | "/run/docker.sock"
            | "/run/podman/podman.sock"
            | "/var/run/podman/podman.sock"
    );
    if usual || of_a_user(path) {
        return Ok(());
    }
    Err(Refused(format!(
        "the engine is reached as `/var/run/docker.sock` here, not as {}",
        quoted(path.as_bytes())
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What sshd hears from each client: OpenSSH joins the words with spaces. By the clients'
    /// sources where no version is installed for the end-to-end tests.
    const CLIENTS: &[(&str, &str)] = &[
        ("docker 18.09 to 27, Compose, buildx", "docker system dial-stdio"),
        ("docker-py, docker-modem (VS Code), bollard", "docker system dial-stdio"),
        ("docker 28, path", "docker --host unix:///run/user/1000/docker.sock system dial-stdio"),
        ("docker 29, path", "docker --host=unix:///var/run/docker.sock system dial-stdio"),
        ("docker 29, quoted", "docker '--host=unix:///var/run/docker.sock' system dial-stdio"),
        ("a path to the program", "/usr/local/bin/docker system dial-stdio"),
        (
            "a package of a storage system",
            "/var/packages/ContainerManager/target/usr/bin/docker system dial-stdio",
        ),
        ("`ssh HOST docker -H …`", "docker -H unix:///run/docker.sock system dial-stdio"),
        ("every word quoted", "'docker' 'system' 'dial-stdio'"),
    ];

    /// What is forwarded to: `podman --remote`, `ssh -L x.sock:PATH`, lazydocker, IDEs.
    const SOCKETS: &[&str] = &[
        "/var/run/docker.sock",
        "/run/docker.sock",
        "/run/podman/podman.sock",
        "/run/user/1000/docker.sock",
        "/run/user/1000/podman/podman.sock",
    ];

    #[test]
    fn what_dockers_clients_say_means_the_engine() {
        for (client, command) in CLIENTS {
            assert_eq!(means_the_engine(Wish::Exec(command.as_bytes())), Ok(()), "{client}");
        }
        for path in SOCKETS {
            assert_eq!(means_the_engine(Wish::Streamlocal(path)), Ok(()), "{path}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long = format!("docker {} system dial-stdio", "a".repeat(MAX_COMMAND));
        for command in [
            "",
            " ",
            "sh",
            "bash -c 'docker system dial-stdio'",
            "docker",
            "docker ps",
            "docker system dial-stdio; id",
            "docker system dial-stdio extra",
            "docker  system dial-stdio",
            " docker system dial-stdio",
            "docker system dial-stdio ",
            "docker\nsystem dial-stdio",
            "docker system dial-stdio\n",
            "docker system 'dial-stdio",
            "docker system \"dial-stdio'",
            "docker system ''",
            "docker --host='unix:///var/run/docker.sock' system dial-stdio",
            "docker system $(id)",
            "docker system `id`",
            "docker\u{a0}system dial-stdio",
            "DOCKER system dial-stdio",
            "evildocker system dial-stdio",
            "./docker system dial-stdio",
            "bin/docker system dial-stdio",
            "/docker/../bin/sh system dial-stdio",
            "docker --host=tcp://10.0.0.1:2375 system dial-stdio",
            "docker --host=unix:///etc/shadow system dial-stdio",
            "docker --host=unix://../run/docker.sock system dial-stdio",
            "docker --host= system dial-stdio",
            "docker --host system dial-stdio",
            "docker --host=unix:///run/docker.sock --host=unix:///run/docker.sock system dial-stdio",
            "docker --tls system dial-stdio",
            "docker buildx dial-stdio",
            // BuildKit's `remote` driver, which means its own daemon.
            "buildctl dial-stdio",
            "buildctl --addr unix:///run/buildkit/buildkitd.sock dial-stdio",
            "podman system dial-stdio",
            "sudo docker system dial-stdio",
            "docker system dial-stdio --help",
            "docker version",
            "uname -s",
            "docker-machine system dial-stdio",
            "internal-sftp",
            long.as_str(),
        ] {
            assert!(means_the_engine(Wish::Exec(command.as_bytes())).is_err(), "{command}");
        }
        assert!(means_the_engine(Wish::Exec(b"docker system dial-stdio\0")).is_err());
        assert!(means_the_engine(Wish::Exec(b"docker system dial-stdi\xff")).is_err());
        for path in [
            "",
            "/",
            "docker.sock",
            "/run/docker.sock/",
            "/run/../run/docker.sock",
            "//run/docker.sock",
            "/run/user//docker.sock",
            "/run/user/0x0/docker.sock",
            "/run/user/1000/../docker.sock",
            "/run/user/1000/bus",
            "/run/containerd/containerd.sock",
            "/run/docker.sock\0",
            "@/run/docker.sock",
        ] {
            assert!(means_the_engine(Wish::Streamlocal(path)).is_err(), "{path}");
        }
        assert!(means_the_engine(Wish::Shell).is_err());
        assert!(means_the_engine(Wish::Subsystem("sftp")).is_err());
    }

    #[test]
    fn refusals_quote_what_was_asked_on_one_line() {
        let refused = means_the_engine(Wish::Exec(b"id\n\x1b[2J")).unwrap_err().to_string();
        assert_eq!(refused, r"only `docker system dial-stdio` runs here, not `id\x0a\x1b[2J`");
        assert!(!refused.contains('\n'));
    }
}
