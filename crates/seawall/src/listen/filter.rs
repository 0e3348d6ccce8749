//! Drops what asks for a connection from where none is admitted, in the kernel and on the
//! listening socket itself: no rules of the host are touched, and they end with the socket.

use std::slice;

use seawall_rules::network::filter::{self, Instruction};
use socket2::{SockFilter, SockRef};
use tokio::net::TcpListener;

use crate::config::Config;

/// The filter of one listening socket.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// The program that was last wanted; none is none. Unknown at first: the socket may be one
    /// that an earlier gate left a filter on.
    wanted: Option<Option<Vec<Instruction>>>,
}

impl Filter {
    /// Makes it what the configuration in force wants. Where that fails the gate still refuses,
    /// after the kernel has accepted.
    pub(super) fn follow(&mut self, config: &Config, listener: &TcpListener, place: usize) {
        let wanted = program(config, place);
        if self.wanted.as_ref() == Some(&wanted) {
            return;
        }
        let socket = SockRef::from(listener);
        let attached = wanted.as_ref().map(|program| {
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
        self.wanted = Some(wanted);
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
