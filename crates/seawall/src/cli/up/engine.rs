//! Whether there is an engine, and this user may use it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cli::report::{Doing, Error};
use crate::config::{Config, Upstream};
use crate::engine::Engine;

/// Asks the engine for a sign of life, and answers with the API version it speaks.
///
/// # Errors
/// That there is none, that this user may not use it, or that something else answers.
pub(super) fn check(config: &Config) -> Result<String, Error> {
    let limit = config.limits.connect_engine;
    let engine =
        Engine::new(&config.upstream, limit).map_err(|error| Error::usage(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing(|| "start the runtime".to_owned())?;
    let reply = runtime.block_on(async {
        let reply = tokio::time::timeout(limit, ping(&engine)).await;
        reply.unwrap_or_else(|_| Err(Error::failed(format!("{} is silent", engine.describe()))))
    })?;
    api_version(&reply)
        .ok_or_else(|| {
            Error::failed(format!("what answers at {} is not a Docker engine", engine.describe()))
                .hint("set `--upstream` to where the engine is")
        })
        .map_err(|error| explain(error, &config.upstream))
}

async fn ping(engine: &Engine) -> Result<String, Error> {
    let mut stream = engine.dial().await.map_err(|error| {
        let told = Error::failed(error.to_string());
        match error.why.as_str() {
            "permission denied" => told.hint(
                "run this with sudo, or as a user who may open the engine's socket (the group \
                 `docker`, on most hosts)",
            ),
            _ => told
                .hint("is Docker installed and running? `sudo systemctl start docker`")
                .hint("say where it is otherwise: `--upstream unix:///PATH`"),
        }
    })?;
    let request = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
    let mut reply = Vec::new();
    let exchange = async {
        stream.write_all(request).await?;
        stream.take(MOST_BYTES).read_to_end(&mut reply).await
    };
    exchange.await.doing(|| format!("ask {} for a sign of life", engine.describe()))?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

/// The version in the reply to a ping, if an engine sent it.
fn api_version(reply: &str) -> Option<String> {
    let (head, _) = reply.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?;
    let mut headers = lines.filter_map(|line| line.split_once(':'));
    let (_, version) = headers.find(|(name, _)| name.eq_ignore_ascii_case("api-version"))?;
    (status == "200").then(|| version.trim().escape_debug().to_string())
}

fn explain(error: Error, upstream: &Upstream) -> Error {
    match upstream {
        Upstream::Unix(_) => error,
        Upstream::Tls { .. } => error.hint("`[upstream_tls]` must be the engine's certificates"),
    }
}

const MOST_BYTES: u64 = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_known_by_its_answer() {
        let cases = [
            ("HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\n\r\nOK", Some("1.41")),
            ("HTTP/1.1 200 OK\r\nOstype: linux\r\napi-version:1.52\r\n\r\nOK", Some("1.52")),
            ("HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\nOK", None),
            ("HTTP/1.1 403 Forbidden\r\nApi-Version: 1.41\r\n\r\n", None),
            ("SSH-2.0-OpenSSH_9.2\r\n", None),
            ("", None),
        ];
        for (reply, version) in cases {
            assert_eq!(api_version(reply).as_deref(), version, "{reply:?}");
        }
    }
}
