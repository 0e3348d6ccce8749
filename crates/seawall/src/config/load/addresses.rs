//! Where the gate listens and where its engine is, each judged beside the other.

use std::path::{Path, PathBuf};

use super::usable;
use crate::config::file::{Reader, Typed};
use crate::config::listen::{self, Engine};
use crate::config::problems::Origin;
use crate::config::{Listen, Upstream};

/// `listen` and `upstream`. After a complaint the values are of no use, and not used.
pub(super) fn addresses(reader: &mut Reader<'_>, base: &Path) -> (Vec<Listen>, Upstream) {
    let typed_upstream = reader.text("upstream");
    let engine = usable(reader, &typed_upstream, listen::parse_upstream);

    let mut listeners: Vec<(Listen, String)> = Vec::new();
    let texts = reader.texts("listen");
    if texts.is_empty() && reader.problems.is_empty() {
        let origin = Origin::Default;
        reader.problems.add(
            &origin,
            "`listen` is empty: the gate would serve nobody".to_owned(),
            Some("leave it out to listen on `tcp://[::]:2376`".to_owned()),
        );
    }
    for text in texts {
        let Some(listener) = usable(reader, &text, listen::parse_listen) else { continue };
        if engine.as_ref().is_some_and(|engine| listen::is_engine(&listener, engine)) {
            reader.problems.add(
                &text.origin,
                format!("`{}` is the engine's own address", text.value.escape_debug()),
                Some("listen somewhere else, or set `upstream` to where the engine is".to_owned()),
            );
        } else if let Some((_, other)) =
            listeners.iter().find(|(other, _)| listen::overlap(other, &listener))
        {
            let message = format!(
                "`{}` is already covered by `{}`",
                text.value.escape_debug(),
                other.escape_debug()
            );
            reader.problems.add(&text.origin, message, Some("remove one of them".to_owned()));
        }
        listeners.push((listener, text.value));
    }

    let upstream = upstream(reader, base, &typed_upstream, engine);
    (listeners.into_iter().map(|(listener, _)| listener).collect(), upstream)
}

fn upstream(
    reader: &mut Reader<'_>,
    base: &Path,
    typed: &Typed<String>,
    engine: Option<Engine>,
) -> Upstream {
    let server_name = reader.optional_text("upstream_tls.server_name");
    let [ca, cert, key] = ["upstream_tls.ca", "upstream_tls.cert", "upstream_tls.key"]
        .map(|name| reader.optional_path(name, base));
    let useless = [&ca, &cert, &key].into_iter().flatten().next().map(|path| path.origin.clone());
    match engine {
        Some(Engine::Tcp { host, port }) => {
            let (Some(ca), Some(cert), Some(key)) = (ca, cert, key) else {
                reader.problems.add(
                    &typed.origin,
                    "an engine over TCP needs `ca`, `cert` and `key` in `[upstream_tls]`"
                        .to_owned(),
                    Some(
                        "plain TCP to an engine is refused: whoever reaches it is root there"
                            .to_owned(),
                    ),
                );
                return Upstream::Unix(PathBuf::new());
            };
            let named = server_name.map(|name| name.value);
            Upstream::Tls {
                address: format!("{host}:{port}"),
                server_name: named.unwrap_or_else(|| host.trim_matches(['[', ']']).to_owned()),
                ca: ca.value,
                cert: cert.value,
                key: key.value,
            }
        }
        Some(Engine::Unix(path)) => {
            if let Some(origin) = useless.or(server_name.map(|name| name.origin)) {
                reader.problems.add(
                    &origin,
                    "`[upstream_tls]` is for an engine over TCP, and `upstream` is a socket"
                        .to_owned(),
                    Some("set `upstream = \"tcp://HOST:2376\"`, or remove the section".to_owned()),
                );
            }
            Upstream::Unix(path)
        }
        None => Upstream::Unix(PathBuf::new()),
    }
}
