//! A stub of a Docker engine: it answers at once, so that what is measured is the way to it.

use std::io;
use std::path::Path;
use std::thread;

use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime;
use tokio::task::{LocalSet, spawn_local};

use crate::http::{CHUNK, chunk, read_head, skip_body};

/// Serves on a socket until this process ends, on a thread of its own.
pub(crate) fn start(socket: &Path, stream_bytes: u64) {
    let listener = std::os::unix::net::UnixListener::bind(socket).expect("the stub's socket");
    listener.set_nonblocking(true).expect("the stub's socket");
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        LocalSet::new().block_on(&runtime.expect("a runtime"), async {
            let listener = UnixListener::from_std(listener).expect("the stub's socket");
            while let Ok((connection, _)) = listener.accept().await {
                // A proxy may close its connection whenever it likes.
                spawn_local(async move { serve(connection, stream_bytes).await.ok() });
            }
        });
    });
}

async fn serve(mut connection: UnixStream, stream_bytes: u64) -> io::Result<()> {
    let (reader, mut writer) = connection.split();
    let mut reader = BufReader::with_capacity(256 << 10, reader);
    while let Some(head) = read_head(&mut reader).await? {
        skip_body(&mut reader, &head).await?;
        match head.first.rsplit_once(' ').map(|(request, _)| request) {
            Some("GET /v1.41/containers/json") => writer.write_all(&answer(CONTAINERS)).await?,
            Some("GET /v1.41/images/x/get") => stream(&mut writer, stream_bytes).await?,
            Some("POST /v1.41/images/load" | "POST /v1.41/images/load?quiet=1") => {
                writer.write_all(&answer("{}")).await?;
            }
            // What the docker command line asks first.
            Some("HEAD /_ping") => writer.write_all(format!("{HEAD}\r\n").as_bytes()).await?,
            _ => writer.write_all(&answer("OK")).await?,
        }
        if head.close {
            break;
        }
    }
    Ok(())
}

fn answer(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{HEAD}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into()
}

async fn stream(writer: &mut (impl AsyncWrite + Unpin), bytes: u64) -> io::Result<()> {
    let head =
        format!("{HEAD}Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n");
    writer.write_all(head.as_bytes()).await?;
    let chunk = chunk();
    for _ in 0..bytes / CHUNK as u64 {
        writer.write_all(&chunk).await?;
    }
    writer.write_all(b"0\r\n\r\n").await
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nDocker-Experimental: false\r\n\
    Ostype: linux\r\nServer: Docker/20.10.24 (linux)\r\n\
    Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n";

const CONTAINERS: &str = r#"[{"Id":"8dfafdbc3a40b1a3f0d5c9f2a7e6b4c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5","Names":["/web"],"Image":"busybox:latest","ImageID":"sha256:62aedd01bd8520c43d06b09f7a0f67ba9720bdc04631a8242c65ea995f3ecac8","Command":"sh","Created":1704067200,"Ports":[],"Labels":{},"State":"running","Status":"Up 5 minutes","HostConfig":{"NetworkMode":"default"},"NetworkSettings":{"Networks":{}},"Mounts":[]}]
"#;
