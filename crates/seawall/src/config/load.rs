//! What the typed keys mean, and every complaint about them.

mod addresses;
mod roles;

use std::io::ErrorKind;
use std::path::Path;

use ipnet::IpNet;
use seawall_rules::head::HeadLimits;
use seawall_rules::network::Networks;
use seawall_rules::policy::{ADMIN, Roles};
use seawall_rules::target::ApiVersion;

use super::custody;
use super::file::{Reader, Typed};
use super::listen::{Unusable, parse_network};
use super::overrides::Overrides;
use super::{
    Admin, Audit, Bans, Config, EnrolmentLimits, Limits, OnFailure, OutsideTls, Scan, Source, Ssh,
    Sshd, Sync, Tls,
};
use crate::cli::report::Error;
use crate::cli::{self, Context};

/// Reads the configuration of `context` under the flags of the command line.
///
/// # Errors
/// [`crate::cli::report::Kind::Usage`] with everything that is wrong with it, each with file,
/// line and column; or when the file is missing, unreadable, or others may write it.
pub fn load(context: &Context, overrides: &Overrides) -> Result<Config, Error> {
    Source { context: context.clone(), overrides: overrides.clone() }.load()
}

/// Reads the configuration for a command beside the gate. A gate run by flags alone has no file,
/// so the default one may be absent.
///
/// # Errors
/// As [`load`].
pub fn load_for_command(context: &Context) -> Result<Config, Error> {
    let mut overrides = Overrides::default();
    overrides.suffice();
    load(context, &overrides)
}

/// Reads what the configuration of `context` would be with this file: a configuration, or a file of
/// roles alone, which stands for the one of its name in `roles.d`. Beside a configuration its own
/// `roles.d` counts, where there is one.
///
/// # Errors
/// [`crate::cli::report::Kind::Usage`] with what is wrong with it. Others may be able to write it:
/// it is not in force.
pub fn load_candidate(context: &Context, file: &Path) -> Result<Config, Error> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    let mut overrides = Overrides::default();
    overrides.suffice();
    let current = &context.config_file;
    let mut role_files = roles::files(current)?;
    if file.file_name() != current.file_name() && roles::are_alone(&text) {
        let main = read(current)?.unwrap_or_default();
        roles::replace(&mut role_files, file, text);
        return interpret_with(&main, &role_files, context, &overrides);
    }
    if file.with_file_name("roles.d").is_dir() {
        role_files = roles::files(file)?;
    }
    let context = Context { config_file: file.to_owned(), ..context.clone() };
    interpret_with(&text, &role_files, &context, &overrides)
}

impl Source {
    /// Reads it (again).
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&self) -> Result<Config, Error> {
        let file = &self.context.config_file;
        // Nobody asked for the default file by name, so it may be absent where flags say all.
        let optional = || {
            let usual = cli::default_config_file();
            self.overrides.are_complete() && usual.is_ok_and(|usual| usual == *file)
        };
        match read(file)? {
            Some(text) => self.interpret(&text),
            None if optional() => self.interpret(""),
            None => Err(Error::usage(format!("there is no configuration at `{}`", file.display()))
                .hint("`sudo seawall up` writes one, with certificates of its own")
                .hint(
                    "or give dockerd's flags: `seawall serve --tlsverify --tlscacert=ca.pem \
                     --tlscert=server-cert.pem --tlskey=server-key.pem -H tcp://0.0.0.0:2376`",
                )),
        }
    }

    fn interpret(&self, text: &str) -> Result<Config, Error> {
        let role_files = roles::files(&self.context.config_file)?;
        interpret_with(text, &role_files, &self.context, &self.overrides)
    }
}

/// What `text` means, as if it stood alone in the file of `context`.
///
/// # Errors
/// As [`load`].
pub fn interpret(text: &str, context: &Context, overrides: &Overrides) -> Result<Config, Error> {
    interpret_with(text, &[], context, overrides)
}

fn interpret_with(
    text: &str,
    role_files: &[roles::File],
    context: &Context,
    overrides: &Overrides,
) -> Result<Config, Error> {
    let file = &context.config_file;
    let state_dir = context.state_dir.to_string_lossy();
    let mut reader = Reader::new(text, overrides, &state_dir)
        .map_err(|problems| problems.into_error(file, text))?;
    let base = file.parent().unwrap_or(Path::new("/"));
    let (listen, upstream) = addresses::addresses(&mut reader, base);
    let audit = audit(&mut reader, base);
    let admin = admin(&mut reader, base);
    let protected = roles::protected(context, &upstream, &audit, &admin);
    let roles = roles::roles(&mut reader, role_files, &protected)?;
    let config = Config {
        listen,
        upstream,
        min_api: min_api(&mut reader),
        networks: networks(&mut reader),
        balancers: balancers(&mut reader),
        drop_denied: reader.truth("network.drop_denied").value,
        bans: bans(&mut reader),
        firewall: super::firewall::read(&mut reader),
        tls: tls(&mut reader, base, &roles),
        ssh: ssh(&mut reader, base, &roles),
        limits: limits(&mut reader),
        audit,
        scan: Scan { result: reader.path("scan.result", base) },
        admin,
        roles,
        source: Source { context: context.clone(), overrides: overrides.clone() },
    };
    match reader.problems.is_empty() {
        true => Ok(config),
        false => Err(reader.problems.into_error(file, text)),
    }
}

/// The text of the file, `None` when there is none.
fn read(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    }
    custody::require(path)?;
    std::fs::read_to_string(path).map(Some).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let told = Error::usage(format!("cannot read `{}`: {error}", path.display()));
    match error.kind() {
        ErrorKind::PermissionDenied => told.hint("run this as root or as the gate's user"),
        _ => told,
    }
}

fn min_api(reader: &mut Reader<'_>) -> ApiVersion {
    let typed = reader.text("min_api");
    let version = typed
        .value
        .split_once('.')
        .and_then(|(major, minor)| Some(ApiVersion::new(major.parse().ok()?, minor.parse().ok()?)));
    match version {
        Some(version) if version.major == 1 && version.minor >= 24 => version,
        _ => {
            let value = typed.value.escape_debug();
            reader.problems.add(
                &typed.origin,
                format!("`min_api` cannot be `{value}`: it is a version from 1.24 on"),
                Some("Docker 19.03 speaks 1.40, Docker 23 speaks 1.42".to_owned()),
            );
            ApiVersion::new(1, 40)
        }
    }
}

fn networks(reader: &mut Reader<'_>) -> Networks {
    let allow = networks_in(reader, "network.allow");
    let deny = networks_in(reader, "network.deny");
    for Typed { value, origin } in &deny {
        if allow.iter().any(|allowed| allowed.value == *value) {
            let message = format!("`{value}` is both allowed and denied");
            reader.problems.add(
                origin,
                message,
                Some("remove it from one of the lists".to_owned()),
            );
        }
    }
    let nets = |typed: Vec<Typed<IpNet>>| typed.into_iter().map(|net| net.value).collect();
    Networks::new(nets(allow), nets(deny))
}

fn balancers(reader: &mut Reader<'_>) -> Networks {
    let from = networks_in(reader, "network.proxy_protocol_from");
    // A header that anybody may send is an address that anybody may choose.
    for Typed { value, origin } in from.iter().filter(|net| net.value.prefix_len() == 0) {
        reader.problems.add(
            origin,
            format!("with `{value}` everybody could choose the address he comes from"),
            Some("name the balancers' own addresses".to_owned()),
        );
    }
    Networks::only(from.into_iter().map(|net| net.value).collect())
}

fn bans(reader: &mut Reader<'_>) -> Bans {
    Bans {
        after: small(reader.count("network.ban_after")),
        forget: reader.duration("network.ban_forget"),
        time: reader.duration("network.ban_time"),
    }
}

fn networks_in(reader: &mut Reader<'_>, name: &'static str) -> Vec<Typed<IpNet>> {
    let texts = reader.texts(name);
    texts
        .into_iter()
        .filter_map(|text| {
            let value = usable(reader, &text, parse_network)?;
            Some(Typed { value, origin: text.origin })
        })
        .collect()
}

fn tls(reader: &mut Reader<'_>, base: &Path, roles: &Roles) -> Tls {
    let allow_tls12 = reader.one_of("tls.min_version") == "1.2";
    let hostnames = hostnames(reader);
    let [ca, cert, key] =
        ["tls.ca", "tls.cert", "tls.key"].map(|name| reader.optional_path(name, base));
    let crl = reader.optional_path("tls.crl", base);
    let typed_role = reader.optional_text("tls.default_role");
    let default_role = default_role(reader, typed_role.as_ref(), roles);
    let outside = match (ca, cert, key) {
        (Some(ca), Some(cert), Some(key)) => Some(OutsideTls {
            ca: ca.value,
            cert: cert.value,
            key: key.value,
            crl: crl.map(|crl| crl.value),
            default_role,
        }),
        (None, None, None) => {
            let needs = "is for certificates of an outside CA: it needs `tls.ca`";
            for (name, typed) in [
                ("tls.crl", crl.map(|typed| typed.origin)),
                ("tls.default_role", typed_role.map(|typed| typed.origin)),
            ] {
                if let Some(origin) = typed {
                    reader.problems.add(&origin, format!("`{name}` {needs}"), None);
                }
            }
            None
        }
        (ca, cert, key) => {
            let all = [("tls.ca", ca), ("tls.cert", cert), ("tls.key", key)];
            let missing: Vec<_> =
                all.iter().filter(|(_, path)| path.is_none()).map(|(name, _)| *name).collect();
            let given = all.iter().find_map(|(_, path)| path.as_ref());
            let origin = given.map_or(super::problems::Origin::Default, |p| p.origin.clone());
            reader.problems.add(
                &origin,
                format!("certificates of an outside CA also need `{}`", missing.join("` and `")),
                Some("give `ca`, `cert` and `key`, or none of them".to_owned()),
            );
            None
        }
    };
    Tls { allow_tls12, hostnames, outside }
}

fn hostnames(reader: &mut Reader<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for typed in reader.texts("hostnames") {
        if rustls::pki_types::ServerName::try_from(typed.value.as_str()).is_ok() {
            names.push(typed.value);
            continue;
        }
        let message =
            format!("`{}` is neither a host name nor an IP address", typed.value.escape_debug());
        let hint = "write what clients put between `tcp://` and the port".to_owned();
        reader.problems.add(&typed.origin, message, Some(hint));
    }
    names
}

fn default_role(
    reader: &mut Reader<'_>,
    typed: Option<&Typed<String>>,
    roles: &Roles,
) -> Option<String> {
    let unsafe_admin = reader.truth("tls.unsafe_default_admin");
    let typed = typed?;
    let role = role(reader, typed, roles);
    if role.as_deref() == Some(ADMIN) && !unsafe_admin.value {
        reader.problems.add(
            &typed.origin,
            "every certificate of that CA would be root on this host".to_owned(),
            Some(
                "if that is what you want, also say `unsafe_default_admin = true` in `[tls]` \
                 or `--unsafe-default-admin`"
                    .to_owned(),
            ),
        );
    }
    role
}

fn ssh(reader: &mut Reader<'_>, base: &Path, roles: &Roles) -> Ssh {
    let socket = reader.path("ssh.sshd_socket", base);
    let user = reader.optional_text("ssh.sshd_user");
    let [trusted_user_ca, revoked_keys] = ["ssh.trusted_user_ca", "ssh.revoked_keys"]
        .map(|name| reader.optional_path(name, base).map(|path| path.value));
    let max_role = reader.optional_text("ssh.max_role");
    Ssh {
        trusted_user_ca,
        revoked_keys,
        sshd: user.map(|user| Sshd { socket, user: user.value }),
        rsa: reader.truth("ssh.rsa").value,
        max_role: max_role.and_then(|typed| role(reader, &typed, roles)),
        host_certificate: reader
            .optional_path("ssh.host_certificate", base)
            .map(|typed| typed.value),
    }
}

/// The role of a name, or a complaint.
fn role(reader: &mut Reader<'_>, typed: &Typed<String>, roles: &Roles) -> Option<String> {
    if roles.named(&typed.value).is_none() {
        reader.problems.add(
            &typed.origin,
            format!("there is no role `{}`", typed.value.escape_debug()),
            Some(format!("the roles are {roles}")),
        );
        return None;
    }
    Some(typed.value.clone())
}

fn limits(reader: &mut Reader<'_>) -> Limits {
    Limits {
        connections: reader.count("limits.connections"),
        connections_per_address: reader.count("limits.connections_per_address"),
        connection_rate: small(reader.count("limits.connection_rate")),
        connections_per_identity: reader.count("limits.connections_per_identity"),
        head: HeadLimits {
            bytes: bounded(reader.size("limits.header_bytes")),
            headers: reader.count("limits.headers"),
        },
        body_bytes: bounded(reader.size("limits.body_bytes")),
        handshake: reader.duration("limits.handshake"),
        request_head: reader.duration("limits.request_head"),
        idle: reader.duration("limits.idle"),
        answer: reader.duration("limits.answer"),
        linger: reader.duration("limits.linger"),
        connect_engine: reader.duration("limits.connect_engine"),
        drain: reader.duration("limits.drain"),
        enrolment: EnrolmentLimits {
            time: reader.duration("limits.enrolment"),
            bytes: bounded(reader.size("limits.enrolment_bytes")),
            failures: reader.count("limits.enrolment_failures"),
            failures_per_address: reader.count("limits.enrolment_failures_per_address"),
            invitation_attempts: u32::try_from(reader.count("limits.invitation_attempts"))
                .unwrap_or(u32::MAX),
            certificates_per_hour: reader.count("limits.certificates_per_hour"),
        },
        metrics_connections: reader.count("limits.metrics_connections"),
    }
}

/// The table keeps counts of this kind far below 2^32.
fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The table keeps sizes of buffers far below 4 GiB.
fn bounded(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn audit(reader: &mut Reader<'_>, base: &Path) -> Audit {
    Audit {
        dir: reader.path("audit.dir", base),
        on_failure: match reader.one_of("audit.on_failure").as_str() {
            "continue" => OnFailure::Continue,
            _ => OnFailure::Deny,
        },
        sync: match reader.one_of("audit.sync").as_str() {
            "always" => Sync::Always,
            _ => Sync::Batched,
        },
        segment_bytes: reader.size("audit.segment_size"),
        keep_bytes: reader.size("audit.keep"),
        anchor: reader.texts("audit.anchor").into_iter().map(|word| word.value).collect(),
    }
}

fn admin(reader: &mut Reader<'_>, base: &Path) -> Admin {
    let socket = reader.path("admin.socket", base);
    let metrics = reader.optional_text("admin.unsafe_metrics").and_then(|typed| {
        usable(reader, &typed, |text| {
            text.parse().map_err(|_| Unusable {
                message: format!("`{}` is not an address and port", text.escape_debug()),
                hint: "write `127.0.0.1:9323`".to_owned(),
            })
        })
    });
    Admin { socket, metrics }
}

/// Parses a text, or complains about it.
fn usable<T>(
    reader: &mut Reader<'_>,
    typed: &Typed<String>,
    parse: impl FnOnce(&str) -> Result<T, Unusable>,
) -> Option<T> {
    match parse(&typed.value) {
        Ok(value) => Some(value),
        Err(Unusable { message, hint }) => {
            reader.problems.add(&typed.origin, message, Some(hint));
            None
        }
    }
}

#[cfg(test)]
mod tests;
