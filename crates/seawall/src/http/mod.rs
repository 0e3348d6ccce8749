//! Stage 4: HTTP/1.1 on the wire (RFC 9112), as little of it as the Engine API needs and
//! strictly: bounded heads, exact body framing, everything written afresh.

pub mod alarm;
pub mod body;
pub mod buffer;
pub mod hang_up;
pub mod read;
pub mod response;
pub mod wire;
pub mod write;

#[cfg(test)]
mod oracle;
