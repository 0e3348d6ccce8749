//! What goes to the engine and what goes into the record, both written from what was judged.

use std::io::Write as _;

use super::{BodyKind, Request};
use crate::head::{Framing, Method, Upgrade};

impl Request {
    /// Writes the request head that goes to the engine: request line and headers written afresh
    /// from what was judged, ending with the blank line. `framing` is that of the body that will
    /// follow; `keep_alive` is false for an upgrade's connection.
    ///
    /// Beside the allowlisted headers there are `Host`, `Content-Type` where a body follows,
    /// exactly one of `Content-Length` and `Transfer-Encoding` where there is a body or the
    /// method is expected to have one, and `Connection`. `Expect` is never among them: the gate
    /// answers it.
    pub fn write_head(&self, framing: Framing, keep_alive: bool, out: &mut Vec<u8>) {
        let method = self.route.method;
        put(out, format_args!("{method} {} HTTP/1.1\r\nHost: docker\r\n", self.target));
        for (name, value) in &self.head.forwarded {
            put(out, format_args!("{name}: {value}\r\n"));
        }
        if framing != Framing::None {
            // The engine asks for a media type only where it reads JSON; elsewhere it must not
            // be a form, and one fixed answer is none.
            out.extend_from_slice(match self.route.body {
                BodyKind::Json | BodyKind::OptionalJson => b"Content-Type: application/json\r\n",
                BodyKind::Ignored | BodyKind::None | BodyKind::Stream => {
                    b"Content-Type: application/x-tar\r\n".as_slice()
                }
            });
        }
        match framing {
            // RFC 9110 section 8.6: a POST or PUT without a body says so.
            Framing::None if matches!(self.route.method, Method::Post | Method::Put) => {
                out.extend_from_slice(b"Content-Length: 0\r\n");
            }
            Framing::None => {}
            Framing::Length(length) => put(out, format_args!("Content-Length: {length}\r\n")),
            Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        }
        out.extend_from_slice(match (self.upgrade, keep_alive) {
            (Some(Upgrade::H2c), _) => b"Connection: Upgrade\r\nUpgrade: h2c\r\n".as_slice(),
            (Some(Upgrade::Tcp), _) => b"Connection: Upgrade\r\nUpgrade: tcp\r\n",
            (Some(Upgrade::Websocket), _) => b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
            (None, true) => b"",
            (None, false) => b"Connection: close\r\n",
        });
        out.extend_from_slice(b"\r\n");
    }

    /// The path and query for the record: canonical, secret query values replaced by `***`, and
    /// with them those of unknown keys.
    pub fn recorded_target(&self) -> String {
        self.target.redacted(|key| self.route.query_key(key).is_none_or(|key| key.secret))
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // INVARIANT: writing to a Vec cannot fail.
    let _ = out.write_fmt(text);
}
