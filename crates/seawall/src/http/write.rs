//! The replies the gate gives itself.

use seawall_rules::head::Method;

/// Whether the connection lives on after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It closes.
    Close,
    /// The next request may come.
    Keep,
}

/// Writes a chunk (RFC 9112 section 7.1), none where there is nothing to write, and the end of the
/// body if it is the last.
pub fn chunk(data: &[u8], last: bool, out: &mut Vec<u8>) {
    if !data.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
    if last {
        out.extend_from_slice(b"0\r\n\r\n");
    }
}

/// Writes a reply in the Engine API's shape. The media type stands alone: with a charset the
/// Docker CLI would print the JSON text as it is.
pub fn json(
    status: u16,
    body: &serde_json::Value,
    method: Option<Method>,
    connection: Connection,
    out: &mut Vec<u8>,
) {
    let body = format!("{body}\n");
    let close = match connection {
        Connection::Close => "Connection: close\r\n",
        Connection::Keep => "",
    };
    // RFC 6585 section 4. Any rate lets one more pass within a second.
    let later = if status == 429 { "Retry-After: 1\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         {later}{close}\r\n",
        reason(status),
        body.len(),
    );
    out.extend_from_slice(head.as_bytes());
    if method != Some(Method::Head) {
        out.extend_from_slice(body.as_bytes());
    }
}

/// Tells a client that waits for it to send its body (RFC 9110 section 10.1.1).
pub fn go_on(out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
}

/// The statuses the gate itself answers with, or an engine without a reason phrase.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_is_json_the_docker_cli_prints_and_a_head_gets_no_body() {
        let mut out = Vec::new();
        let body = json!({ "message": "seawall: \"no\"\n" });
        super::json(403, &body, Some(Method::Get), Connection::Keep, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 32\r\n\r\n\
             {\"message\":\"seawall: \\\"no\\\"\\n\"}\n"
        );
        let mut out = Vec::new();
        super::json(
            400,
            &json!({ "message": "x" }),
            Some(Method::Head),
            Connection::Close,
            &mut out,
        );
        let out = String::from_utf8(out).unwrap();
        assert!(out.ends_with("Content-Length: 16\r\nConnection: close\r\n\r\n"), "{out}");
    }
}
