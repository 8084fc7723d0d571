//! One HTTP/1.1 exchange on a connection of its own.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Asks for a page, with a value of `Accept`.
pub(crate) async fn fetch(address: &str, path: &str, accept: &str) -> Answer {
    let request = Request::get(path).header(header::ACCEPT, accept);
    exchange(address, request.body(Full::default()).unwrap()).await
}

/// Sends a body.
pub(crate) async fn post(address: &str, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let request = Request::post(path).header(header::CONTENT_TYPE, content_type);
    exchange(address, request.body(Full::new(body.into())).unwrap()).await
}

async fn exchange(address: &str, mut request: Request<Full<Bytes>>) -> Answer {
    request.headers_mut().insert(header::HOST, address.parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let moving = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    drop(sender);
    moving.abort();
    Answer { status: head.status, headers: head.headers, body }
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
