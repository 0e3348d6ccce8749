//! `--ssh-key`: from a file, standard input or the command line itself to what the gate is told.

use seawall_rules::ssh::key::{Kind, NotAKey, PublicKey};

use crate::cli::Context;
use crate::cli::input::read_text;
use crate::cli::report::Error;
use crate::config;
use crate::ssh;

/// Reads what was typed after each `--ssh-key`: a file of public keys, `-` for standard input, or
/// a key itself. Answers each key as it stands in a `.pub` file.
///
/// # Errors
/// What cannot be read, or is no key that would be let in.
pub(super) fn read(context: &Context, typed: &[String]) -> Result<Vec<String>, Error> {
    let mut keys = Vec::new();
    for source in typed {
        keys.extend(parsed(source)?);
    }
    let is_rsa = |(key, _): &(PublicKey, String)| key.kind() == Kind::Rsa;
    if keys.iter().any(is_rsa) {
        rsa_enters(&config::load_for_command(context)?.ssh)?;
    }
    Ok(keys.into_iter().map(written).collect())
}

/// Whether there is a way in for RSA keys.
fn rsa_enters(config: &config::Ssh) -> Result<(), Error> {
    let another = "make another with `ssh-keygen -t ed25519`";
    if !config.rsa {
        return Err(Error::usage("RSA keys do not enter here")
            .hint(another)
            .hint("or say `rsa = true` in `[ssh]` of the configuration"));
    }
    if !ssh::RSA && config.sshd.is_none() {
        return Err(Error::usage("RSA keys do not enter by this build's own SSH server")
            .hint(another)
            .hint("or let them in through the host's sshd (`sshd_user` in `[ssh]`)")
            .hint("or build with `--features ssh-rsa`"));
    }
    Ok(())
}

/// Reads one source, on a client: the gate says which kinds it takes.
///
/// # Errors
/// What cannot be read, or is no key that would be let in.
pub(in crate::cli) fn lines(source: &str) -> Result<Vec<String>, Error> {
    Ok(parsed(source)?.into_iter().map(written).collect())
}

fn written((key, comment): (PublicKey, String)) -> String {
    format!("{key} {comment}").trim_end().to_owned()
}

fn parsed(source: &str) -> Result<Vec<(PublicKey, String)>, Error> {
    let text = text(source)?;
    let lines = text.lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    if lines.peek().is_none() {
        return Err(Error::usage(format!("there is no key in {}", shown(source))));
    }
    lines
        .map(|line| {
            let (key, comment) =
                PublicKey::from_line(line).map_err(|error| refused(source, &error))?;
            Ok((key, comment.to_owned()))
        })
        .collect()
}

fn text(source: &str) -> Result<String, Error> {
    if source.contains(' ') && !std::path::Path::new(source).exists() {
        return Ok(source.to_owned());
    }
    read_text(source.as_ref(), MAX_BYTES).map_err(|error| {
        Error::usage(format!("cannot read {}: {error}", shown(source)))
            .hint("give the file of a public key (`~/.ssh/id_ed25519.pub`), `-`, or the key")
    })
}

fn refused(source: &str, why: &NotAKey) -> Error {
    let told = Error::usage(format!("cannot take the SSH key of {}: {why}", shown(source)));
    match why {
        NotAKey::Private => {
            told.hint(format!("a private key stays where it is: give `{source}.pub`"))
        }
        NotAKey::Certificate => told.hint(
            "certificates enter by their CA (`ssh.trusted_user_ca`) and `--match \
                ssh-principal=…`",
        ),
        NotAKey::Dss | NotAKey::RsaSize(_) => {
            told.hint("make another with `ssh-keygen -t ed25519`")
        }
        NotAKey::Options => told.hint("give the key alone; networks are said with `--from`"),
        NotAKey::Malformed(_) | NotAKey::Unknown => {
            told.hint("a public key looks like `ssh-ed25519 AAAA… alice@laptop`")
        }
    }
}

fn shown(source: &str) -> String {
    match source {
        "-" => "standard input".to_owned(),
        path => format!("`{}`", path.chars().take(60).collect::<String>().escape_debug()),
    }
}

/// Far more than any key, far less than what memory holds.
const MAX_BYTES: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 \
        AAAAC3NzaC1lZDI1NTE5AAAAIOZBJH5ykgkIwx60t6dCuO/+wUp6hhTa94fHvBZK1R5i";

    fn context(dir: &std::path::Path) -> Context {
        Context { config_file: dir.join("seawall.toml"), state_dir: dir.join("state"), json: false }
    }

    #[test]
    fn keys_come_from_files_and_from_the_command_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys.pub");
        std::fs::write(&file, format!("# ours\n\n{KEY} alice@laptop\n{KEY}\n")).unwrap();
        let typed = [file.display().to_string(), format!("{KEY} typed")];
        let read = read(&context(dir.path()), &typed).unwrap();
        assert_eq!(read, [format!("{KEY} alice@laptop"), KEY.to_owned(), format!("{KEY} typed")]);
    }

    #[test]
    fn what_is_no_public_key_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name).display().to_string()
        };
        let sources = [
            file("id", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"),
            file("empty", "\n"),
            dir.path().join("absent").display().to_string(),
            format!("restrict {KEY}"),
        ];
        let told: Vec<_> = sources
            .iter()
            .map(|source| {
                read(&context(dir.path()), std::slice::from_ref(source)).unwrap_err().to_string()
            })
            .collect();
        let told = told.join("\n").replace(&dir.path().display().to_string(), "DIR");
        insta::assert_snapshot!(told, @"
        error: cannot take the SSH key of `DIR/id`: it is a private key
        hint: a private key stays where it is: give `DIR/id.pub`
        error: there is no key in `DIR/empty`
        error: cannot read `DIR/absent`: No such file or directory (os error 2)
        hint: give the file of a public key (`~/.ssh/id_ed25519.pub`), `-`, or the key
        error: cannot take the SSH key of `restrict ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOZBJH5ykgkIwx6`: it has options before the key, which only sshd knows
        hint: give the key alone; networks are said with `--from`
        ");
    }
}
