//! A socket bound to an interface follows its addresses, but not the interface: one that is
//! removed and made again under its name, as `wg-quick` does, is another one to the kernel.

use std::time::Duration;

use nix::net::if_::if_nametoindex;
use tokio::net::TcpListener;

use super::Listener;
use super::bind::bind_tcp;
use crate::config::At;

/// The interface a listener is bound to, if it is to one.
#[derive(Debug)]
pub(super) struct Interface {
    bound: Option<Bound>,
}

#[derive(Debug)]
struct Bound {
    scheme: &'static str,
    name: String,
    port: u16,
    /// The number it has while it exists; no other ever gets it.
    index: Option<u32>,
}

/// Time in which one that came again is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Interface {
    /// That of a listener.
    pub(super) fn of(listener: &Listener) -> Self {
        let bound = listener.interface().map(|(scheme, name, port)| Bound {
            scheme,
            name: name.to_owned(),
            port,
            index: if_nametoindex(name).ok(),
        });
        Self { bound }
    }

    /// Waits until it has been made again; a socket that is bound to it as it is now.
    pub(super) async fn made_again(&mut self) -> TcpListener {
        let Some(Bound { scheme, name, port, index }) = &mut self.bound else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = if_nametoindex(name.as_str()).ok();
            if now == *index {
                continue;
            }
            if now.is_none() {
                tracing::warn!(interface = %name, "gone; the gate listens there when it is back");
                *index = None;
                continue;
            }
            match bind_tcp(scheme, &At::Interface { name: name.clone(), port: *port }) {
                Ok(listener) => {
                    tracing::info!(interface = %name, "back; listening there again");
                    *index = now;
                    return listener;
                }
                Err(error) => tracing::warn!(%error, "it is tried again"),
            }
        }
    }
}
