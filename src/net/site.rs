//! A few pages over HTTP, made anew for every request: health, metrics, what runs. Read-only:
//! nothing is changed by a request, and a browser may load nothing else from them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::accept::{ListenSettings, Protocol, Server, Service};
use super::reply::Reply;
use super::server_config::HttpServerConfig;
use crate::model::Instant;
use crate::pipeline::{BoxFuture, Clock, Component, Health, StartError};

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The text.
    pub body: String,
}

/// Makes pages.
pub trait Pages: Send + Sync + 'static {
    /// The page of a path, for a GET with these headers.
    fn page(&self, path: &str, headers: &HeaderMap) -> Page;
}

/// Pages that are served between `start` and `shutdown`.
pub struct Site<P> {
    config: HttpServerConfig,
    pages: Arc<P>,
    clock: Arc<dyn Clock>,
    server: Mutex<Option<Arc<Server>>>,
}

impl Page {
    /// A page of HTML.
    pub fn html(body: String) -> Self {
        Self { status: 200, content_type: "text/html; charset=utf-8", body }
    }

    /// Nothing is here; `hint` says what is elsewhere.
    pub fn not_found(hint: &str) -> Self {
        Self { status: 404, content_type: "text/plain; charset=utf-8", body: format!("404 page not found; {hint}\n") }
    }
}

impl<P: Pages> Site<P> {
    /// Pages that `config` says where to serve.
    pub fn new(config: HttpServerConfig, pages: P, clock: Arc<dyn Clock>) -> Self {
        Self { config, pages: Arc::new(pages), clock, server: Mutex::default() }
    }

    /// The bound address, after `start`.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server().map(|server| server.address())
    }

    fn server(&self) -> Option<Arc<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<P: Pages> Component for Site<P> {
    fn start(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async {
            let settings = ListenSettings {
                endpoint: self.config.endpoint.clone(),
                protocol: Protocol::Http,
                tls: self.config.tls.clone(),
                limits: self.config.limits.clone(),
            };
            let service = Arc::new(Answering { pages: self.pages.clone() });
            match Server::start(settings, service).await {
                Ok(server) => {
                    *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(server));
                    Ok(())
                }
                Err(error) => Err(StartError::new(error.to_string())),
            }
        })
    }

    fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(server) = server {
                server.stop(deadline.since(self.clock.now().mono)).await;
            }
        })
    }

    fn health(&self) -> Health {
        match self.server().filter(|server| !server.is_alive()) {
            Some(server) => Health::Failed(format!("the server on {} has ended", server.address())),
            None => Health::Ok,
        }
    }
}

struct Answering<P> {
    pages: Arc<P>,
}

impl<P: Pages> Service for Answering<P> {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Reply> {
        let page = if matches!(*request.method(), Method::GET | Method::HEAD) {
            self.pages.page(request.uri().path(), request.headers())
        } else {
            let body = "405 method not allowed, supported: [GET, HEAD]\n".to_owned();
            Page { status: 405, content_type: "text/plain; charset=utf-8", body }
        };
        let mut answer = Response::new(Reply::new(page.body));
        *answer.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let policy = "default-src 'none'; style-src 'self'; frame-ancestors 'none'";
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        answer
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::pipeline::SystemClock;

    struct Paths;

    impl Pages for Paths {
        fn page(&self, path: &str, _: &HeaderMap) -> Page {
            if path == "/x" { Page::html(path.to_owned()) } else { Page::not_found("look at /x") }
        }
    }

    async fn ask(address: SocketAddr, line: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn pages_are_served_until_the_stop_and_only_read() {
        let site = Site::new(HttpServerConfig::at("127.0.0.1:0"), Paths, Arc::new(SystemClock::new()));
        site.shutdown(Instant(0)).await;
        site.start().await.unwrap();
        let address = site.address().unwrap();
        assert!(ask(address, "GET /x").await.ends_with("\r\n\r\n/x"));
        assert!(ask(address, "GET /y").await.starts_with("HTTP/1.1 404"));
        assert!(ask(address, "HEAD /x").await.ends_with("\r\n\r\n"));
        assert!(ask(address, "POST /x").await.starts_with("HTTP/1.1 405"));
        assert_eq!(site.health(), Health::Ok);
        site.shutdown(Instant(0)).await;
        assert!(TcpStream::connect(address).await.is_err());
    }
}
