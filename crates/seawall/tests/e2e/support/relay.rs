//! A Unix socket in front of an engine that writes down every byte sent to the engine: the proof
//! of what reached it and what did not.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A recording relay. Its threads end with their connections.
pub(crate) struct Relay {
    dir: tempfile::TempDir,
    traffic: Arc<Traffic>,
}

#[derive(Default)]
struct Traffic {
    heard: Mutex<Vec<u8>>,
    answered: AtomicU64,
    open: AtomicU64,
}

impl Relay {
    /// Starts relaying to the engine's socket.
    pub(crate) fn to(engine: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("relay.sock")).unwrap();
        let traffic = Arc::<Traffic>::default();
        let (engine, seen) = (engine.to_owned(), traffic.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // An engine that is down looks the same through the relay: a closed connection.
                let Ok(engine) = UnixStream::connect(&engine) else { continue };
                carry(&client, &engine, &seen);
            }
        });
        Self { dir, traffic }
    }

    /// Where to connect.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("relay.sock")
    }

    /// How many bytes the engine has sent.
    pub(crate) fn answered(&self) -> u64 {
        self.traffic.answered.load(Ordering::Relaxed)
    }

    /// How many connections to the engine are open.
    pub(crate) fn open(&self) -> u64 {
        self.traffic.open.load(Ordering::Relaxed)
    }

    /// Every byte sent to the engine since the last call, as text.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.traffic.heard.lock().unwrap()))
            .into_owned()
    }
}

/// An address of the loopback that leads to the engine, for clients that know no Unix sockets.
pub(crate) fn tcp_to(engine: &Path) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let engine = engine.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(engine) = UnixStream::connect(&engine) else { continue };
            let (mut from_client, mut to_engine) =
                (client.try_clone().unwrap(), engine.try_clone().unwrap());
            thread::spawn(move || {
                let _ = io::copy(&mut from_client, &mut to_engine);
                let _ = to_engine.shutdown(Shutdown::Write);
            });
            let (mut from_engine, mut to_client) = (engine, client);
            thread::spawn(move || {
                let _ = io::copy(&mut from_engine, &mut to_client);
                let _ = to_client.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

fn carry(client: &UnixStream, engine: &UnixStream, traffic: &Arc<Traffic>) {
    let (mut from_client, mut to_engine) =
        (client.try_clone().unwrap(), engine.try_clone().unwrap());
    let (mut from_engine, mut to_client) =
        (engine.try_clone().unwrap(), client.try_clone().unwrap());
    traffic.open.fetch_add(1, Ordering::Relaxed);
    let asked = traffic.clone();
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(n @ 1..) = from_client.read(&mut buffer) {
            asked.heard.lock().unwrap().extend_from_slice(&buffer[..n]);
            if to_engine.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to_engine.shutdown(Shutdown::Write);
    });
    let answered = traffic.clone();
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(n @ 1..) = from_engine.read(&mut buffer) {
            if to_client.write_all(&buffer[..n]).is_err() {
                break;
            }
            answered.answered.fetch_add(n as u64, Ordering::Relaxed);
        }
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = from_engine.shutdown(Shutdown::Both);
        answered.open.fetch_sub(1, Ordering::Relaxed);
    });
}
