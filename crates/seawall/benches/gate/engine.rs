//! A stub of a Docker engine: it answers at once, so that what is measured is the way to it.

use std::io::{self, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use crate::http::{CHUNK, chunk, read_head, skip_body};

/// Serves on a socket until this process ends.
pub(crate) fn start(socket: &Path, stream_bytes: u64) {
    let listener = UnixListener::bind(socket).expect("the stub's socket");
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            // A proxy may close its connection whenever it likes.
            thread::spawn(move || serve(&connection, stream_bytes).ok());
        }
    });
}

fn serve(mut connection: &UnixStream, stream_bytes: u64) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(256 << 10, connection);
    while let Some(head) = read_head(&mut reader)? {
        skip_body(&mut reader, &head)?;
        match head.first.rsplit_once(' ').map(|(request, _)| request) {
            Some("GET /v1.41/containers/json") => connection.write_all(&answer(CONTAINERS))?,
            Some("GET /v1.41/images/x/get") => stream(connection, stream_bytes)?,
            Some("POST /v1.41/images/load" | "POST /v1.41/images/load?quiet=1") => {
                connection.write_all(&answer("{}"))?;
            }
            // What the docker command line asks first.
            Some("HEAD /_ping") => connection.write_all(format!("{HEAD}\r\n").as_bytes())?,
            _ => connection.write_all(&answer("OK"))?,
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

fn stream(mut connection: &UnixStream, bytes: u64) -> io::Result<()> {
    let head =
        format!("{HEAD}Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.write_all(head.as_bytes())?;
    let chunk = chunk();
    for _ in 0..bytes / CHUNK as u64 {
        connection.write_all(&chunk)?;
    }
    connection.write_all(b"0\r\n\r\n")
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nDocker-Experimental: false\r\n\
    Ostype: linux\r\nServer: Docker/20.10.24 (linux)\r\n\
    Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n";

const CONTAINERS: &str = r#"[{"Id":"8dfafdbc3a40b1a3f0d5c9f2a7e6b4c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5","Names":["/web"],"Image":"busybox:latest","ImageID":"sha256:62aedd01bd8520c43d06b09f7a0f67ba9720bdc04631a8242c65ea995f3ecac8","Command":"sh","Created":1704067200,"Ports":[],"Labels":{},"State":"running","Status":"Up 5 minutes","HostConfig":{"NetworkMode":"default"},"NetworkSettings":{"Networks":{}},"Mounts":[]}]
"#;
