//! Drops what asks for a connection from where none is admitted, in the kernel and on the
//! listening socket itself: no rules of the host are touched, and they end with the socket.

use std::slice;
use std::sync::Arc;

use seawall_rules::network::filter::{self, Instruction};
use socket2::{SockFilter, SockRef};
use tokio::net::TcpListener;

use crate::config::Config;

/// The filter of one listening socket.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// The configuration it was made by. None at first: the socket may be one that an earlier gate
    /// left a filter on.
    by: Option<Arc<Config>>,
}

impl Filter {
    /// Makes it what the configuration in force wants; nothing is done while that is the same, for
    /// this is asked at every connection. Where it fails the gate still refuses, after the kernel
    /// has accepted.
    pub(super) fn follow(&mut self, config: &Arc<Config>, listener: &TcpListener, place: usize) {
        if self.by.as_ref().is_some_and(|by| Arc::ptr_eq(by, config)) {
            return;
        }
        self.by = Some(config.clone());
        let socket = SockRef::from(listener);
        let attached = program(config, place).map(|program| {
            let program: Vec<_> =
                program.iter().map(|i| SockFilter::new(i.code, i.jt, i.jf, i.k)).collect();
            socket.attach_filter(&program)
        });
        if let Some(Err(error)) = &attached {
            tracing::warn!(%error, "`network.drop_denied`: the kernel takes no filter for the socket; who is denied gets a reset");
        }
        if !matches!(attached, Some(Ok(()))) {
            // There may be none; and an old one must not keep out who is admitted by now.
            let _ = socket.detach_filter();
        }
    }
}

fn program(config: &Config, place: usize) -> Option<Vec<Instruction>> {
    let listen = config.listen.get(place).filter(|_| config.drop_denied)?;
    let admitted = config.reached_from(slice::from_ref(listen));
    if admitted.is_everybody() {
        return None;
    }
    let program = filter::program(&admitted);
    if program.is_none() {
        tracing::warn!(
            %listen,
            "`network.drop_denied`: there are too many networks for a filter of the socket; who \
             is denied gets a reset"
        );
    }
    program
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::cli::Context;
    use crate::config::{Overrides, interpret};

    #[tokio::test]
    async fn what_is_wrong_with_a_configuration_is_said_once_not_for_each_connection() {
        let context = Context {
            config_file: "/nowhere/seawall.toml".into(),
            state_dir: "/nowhere".into(),
            json: false,
        };
        let nets: Vec<_> = (0..2000).map(|n| format!("{}/24", Ipv4Addr::from(n << 9))).collect();
        let text = format!("[network]\ndrop_denied = true\nallow = {nets:?}\n");
        let config = Arc::new(interpret(&text, &context, &Overrides::default()).unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let said = tempfile::NamedTempFile::new().unwrap();
        let log = tracing_subscriber::fmt().with_writer(Arc::new(said.reopen().unwrap())).finish();
        tracing::subscriber::with_default(log, || {
            let mut filter = Filter::default();
            (0..3).for_each(|_| filter.follow(&config, &listener, 0));
        });
        let said = std::fs::read_to_string(said.path()).unwrap();
        assert_eq!(said.matches("too many networks").count(), 1, "{said}");
    }
}
