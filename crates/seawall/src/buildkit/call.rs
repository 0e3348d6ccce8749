//! One gRPC call, from who makes it to who answers it.

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use hyper::http::header::CONTENT_TYPE;
use hyper::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use seawall_rules::buildkit::Answer;
use seawall_rules::verdict::Refusal;

/// A call, and where its answer goes.
pub(super) struct Call {
    pub(super) request: Request<RecvStream>,
    pub(super) respond: SendResponse<Bytes>,
}

/// Why a call did not come to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// One of the two gave it up.
    Reset(Reason),
    /// What was answered is refused.
    Refused(Refusal),
}

impl From<h2::Error> for Broken {
    fn from(error: h2::Error) -> Self {
        Self::Reset(error.reason().unwrap_or(Reason::CANCEL))
    }
}

impl Call {
    /// Its method, as gRPC spells it: `/package.Service/Method`.
    pub(super) fn method(&self) -> &str {
        self.request.uri().path()
    }

    /// A value of its metadata, where there is exactly one.
    pub(super) fn metadata(&self, name: &str) -> Option<&str> {
        let mut values = self.request.headers().get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }

    /// Takes what is asked, whole.
    ///
    /// # Errors
    /// A [`Refusal`] for more than `most` bytes, and for a call that was given up.
    pub(super) async fn whole(&mut self, most: usize) -> Result<Vec<u8>, Refusal> {
        let mut whole = Vec::new();
        let body = self.request.body_mut();
        while let Some(data) = poll_fn(|cx| body.poll_data(cx)).await {
            let data =
                data.map_err(|_| Refusal::malformed("buildkit.call", "the call is cut short"))?;
            if whole.len() + data.len() > most {
                let reason = "a message to BuildKit is too large to be judged".to_owned();
                return Err(Refusal { status: 413, rule: "buildkit.too-large", reason });
            }
            whole.extend_from_slice(&data);
            // It is taken, whatever becomes of the connection.
            let _ = body.flow_control().release_capacity(data.len());
        }
        Ok(whole)
    }

    /// Refuses it before anything of it went on.
    pub(super) fn refuse(mut self, status: u16, message: &str) {
        let mut response = Response::new(());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
        response.headers_mut().extend(refusal(status, message));
        // Who has gone meanwhile need not be told.
        let _ = self.respond.send_response(response, true);
    }

    /// Carries it to its end; `asks` is what is asked, where that was taken and judged, and `answer`
    /// judges what is answered. `say` has the words for a refusal.
    pub(super) async fn carry(
        self,
        callee: SendRequest<Bytes>,
        asks: Option<Vec<u8>>,
        answer: Option<&mut Answer>,
        say: impl Fn(&Refusal) -> String,
    ) {
        let Self { request, mut respond } = self;
        let (head, body) = request.into_parts();
        let begun = async {
            let head = forwarded(&head.uri, &head.method, &head.headers)?;
            let mut callee = callee.ready().await?;
            Ok(callee.send_request(head, asks.is_none() && body.is_end_stream())?)
        };
        let (response, to_callee) = match begun.await {
            Ok(begun) => begun,
            Err(Broken::Reset(reason)) => return respond.send_reset(reason),
            Err(Broken::Refused(refusal)) => {
                let message = say(&refusal);
                return Self { request: Request::new(body), respond }
                    .refuse(refusal.status, &message);
            }
        };
        let mut to_caller = None;
        // What is dropped with the losing branch is reset.
        let broken = tokio::select! {
            biased;
            done = down(response, &mut respond, &mut to_caller, answer) => done.err(),
            never = up(body, asks, to_callee) => never,
        };
        match (broken, to_caller) {
            (None, _) => {}
            (Some(Broken::Reset(reason)), Some(mut stream)) => stream.send_reset(reason),
            (Some(Broken::Reset(reason)), None) => respond.send_reset(reason),
            (Some(Broken::Refused(refusal)), Some(mut stream)) => {
                let message = say(&refusal);
                // Who has gone meanwhile need not be told.
                let _ = stream.send_data(Answer::refusing(&message).into(), false);
                let _ = stream.send_trailers(self::refusal(refusal.status, &message));
            }
            (Some(Broken::Refused(_)), None) => respond.send_reset(Reason::CANCEL),
        }
    }
}

/// What is asked. The answer is the end of a call, and whoever gives it up ends the answer as well.
async fn up<T>(mut body: RecvStream, asks: Option<Vec<u8>>, mut to_callee: SendStream<Bytes>) -> T {
    match asks {
        Some(asks) => {
            if send(&mut to_callee, asks.into()).await.is_ok() {
                let _ = to_callee.send_data(Bytes::new(), true);
            }
        }
        None if body.is_end_stream() => {}
        None => {
            let _ = pass(&mut body, &mut to_callee, None).await;
        }
    }
    std::future::pending().await
}

/// What is answered.
async fn down(
    response: ResponseFuture,
    respond: &mut SendResponse<Bytes>,
    to_caller: &mut Option<SendStream<Bytes>>,
    answer: Option<&mut Answer>,
) -> Result<(), Broken> {
    let response = tokio::select! {
        biased;
        reset = poll_fn(|cx| respond.poll_reset(cx)) => return Err(Broken::Reset(reset?)),
        response = response => response?,
    };
    let (mut head, mut body) = response.into_parts();
    head.headers = listed(&head.headers);
    let over = body.is_end_stream();
    let stream = respond.send_response(Response::from_parts(head, ()), over)?;
    if over {
        return Ok(());
    }
    pass(&mut body, to_caller.insert(stream), answer).await
}

/// Passes all that comes, at the pace at which it is taken.
async fn pass(
    from: &mut RecvStream,
    to: &mut SendStream<Bytes>,
    mut answer: Option<&mut Answer>,
) -> Result<(), Broken> {
    loop {
        let data = tokio::select! {
            biased;
            reset = poll_fn(|cx| to.poll_reset(cx)) => return Err(Broken::Reset(reset?)),
            data = poll_fn(|cx| from.poll_data(cx)) => data,
        };
        let Some(data) = data.transpose()? else { break };
        let taken = data.len();
        let data = match &mut answer {
            Some(answer) => {
                let mut out = Vec::new();
                answer.push(&data, &mut out).map_err(Broken::Refused)?;
                Bytes::from(out)
            }
            None => data,
        };
        send(to, data).await?;
        from.flow_control().release_capacity(taken)?;
    }
    let trailers = poll_fn(|cx| from.poll_trailers(cx)).await?;
    // What the callee itself refused is no answer that could be cut short.
    if let Some(answer) = answer
        && trailers.as_ref().and_then(|all| all.get(STATUS)).is_some_and(|status| status == "0")
    {
        answer.finish().map_err(Broken::Refused)?;
    }
    match trailers {
        Some(trailers) => to.send_trailers(listed(&trailers))?,
        None => to.send_data(Bytes::new(), true)?,
    }
    Ok(())
}

async fn send(to: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), Broken> {
    while !data.is_empty() {
        to.reserve_capacity(data.len());
        let Some(space) = poll_fn(|cx| to.poll_capacity(cx)).await else {
            return Err(Broken::Reset(Reason::CANCEL));
        };
        let space = space?.min(data.len());
        to.send_data(data.split_to(space), false)?;
    }
    Ok(())
}

/// The head of a call as it goes on.
fn forwarded(uri: &Uri, method: &Method, headers: &HeaderMap) -> Result<Request<()>, Broken> {
    let is_grpc =
        headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(GRPC.as_bytes()));
    if method != Method::POST || !is_grpc || uri.query().is_some() {
        return Err(Broken::Refused(Refusal::malformed("buildkit.call", "this is no gRPC call")));
    }
    let uri = Uri::builder().scheme("http").authority("localhost").path_and_query(uri.path());
    let uri = uri.build().map_err(|_| Broken::Reset(Reason::PROTOCOL_ERROR))?;
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = listed(headers);
    Ok(request)
}

/// Metadata that BuildKit and its clients need; what is not listed is left out.
fn listed(headers: &HeaderMap) -> HeaderMap {
    let is_listed = |name: &HeaderName| {
        LISTED.contains(&name.as_str()) || name.as_str().starts_with("exporter-md-")
    };
    let listed = headers.iter().filter(|(name, _)| is_listed(name));
    listed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

const LISTED: &[&str] = &[
    // gRPC's own.
    "content-type",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
    "grpc-timeout",
    "te",
    "user-agent",
    // `moby.filesync.v1.FileSync` and `FileSend`.
    "dir-name",
    "exclude-patterns",
    "exclude-patterns-encoded",
    "followpaths",
    "followpaths-encoded",
    "include-patterns",
    "include-patterns-encoded",
    "override-excludes",
    // `moby.sshforward.v1.SSH`.
    "buildkit.ssh.id",
    // Exporters.
    "buildkit-attachable-exporter-id",
    "buildkit-controlapi-buildid",
    "buildkit-exporter-multi-platform",
];

/// gRPC's way to say that a call is refused, by the HTTP status of its refusal.
fn refusal(status: u16, message: &str) -> HeaderMap {
    let code = match status {
        400 => "3",
        404 => "5",
        413 | 429 => "8",
        503 => "14",
        _ => "7",
    };
    let mut headers = HeaderMap::new();
    headers.insert(STATUS, HeaderValue::from_static(code));
    if let Ok(message) = HeaderValue::try_from(percent_encoded(message)) {
        headers.insert(MESSAGE, message);
    }
    headers
}

/// As gRPC wants a message: printable ASCII but for `%`.
fn percent_encoded(message: &str) -> String {
    use std::fmt::Write as _;
    message.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'%' | ..=0x1f | 0x7f.. => {
                let _ = write!(text, "%{byte:02X}");
            }
            byte => text.push(char::from(byte)),
        }
        text
    })
}

const GRPC: &str = "application/grpc";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
