//! The receiver as a component: it binds its ports at start, and stops by letting the requests
//! under way finish.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::grpc::Grpc;
use super::http::Http;
use super::intake::Intake;
use super::{Config, HttpConfig};
use crate::model::Instant;
use crate::net::{ByteBudget, GrpcServerConfig, ListenSettings, Protocol, Server, Service};
use crate::pipeline::{BoxFuture, Component, Consumers, Health, Settings, StartError};

/// One `otlp` receiver, for all pipelines that name it.
pub struct Receiver {
    config: Config,
    settings: Settings,
    next: Consumers,
    budget: ByteBudget,
    servers: Mutex<Servers>,
}

/// What runs, by protocol.
#[derive(Clone, Default)]
struct Servers {
    grpc: Option<Arc<Server>>,
    http: Option<Arc<Server>>,
}

impl Receiver {
    pub(super) fn new(config: Config, settings: &Settings, next: Consumers) -> Self {
        let budget = ByteBudget::new(config.limits.bytes_in_flight_max);
        Self { config, settings: settings.clone(), next, budget, servers: Mutex::default() }
    }

    /// The address that gRPC is served on, after `start`.
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.servers().grpc.map(|server| server.address())
    }

    /// The address that HTTP is served on, after `start`.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.servers().http.map(|server| server.address())
    }

    fn servers(&self) -> Servers {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn intake(&self, transport: &'static str) -> Intake {
        Intake::new(&self.settings, self.next.clone(), self.config.limits.clone(), self.budget.clone(), transport)
    }

    async fn start_grpc(&self, config: &GrpcServerConfig) -> Result<Arc<Server>, StartError> {
        let service = Grpc {
            intake: self.intake("grpc"),
            message_bytes_max: config.message_bytes_max,
            include_metadata: config.include_metadata,
        };
        let listen = ListenSettings {
            endpoint: config.endpoint.clone(),
            protocol: Protocol::Http2(config.http2.clone()),
            tls: config.tls.clone(),
            limits: config.limits.clone(),
        };
        start_server(listen, service).await
    }

    async fn start_http(&self, config: &HttpConfig) -> Result<Arc<Server>, StartError> {
        let listen = ListenSettings {
            endpoint: config.server.endpoint.clone(),
            protocol: Protocol::Http,
            tls: config.server.tls.clone(),
            limits: config.server.limits.clone(),
        };
        start_server(listen, Http::new(config, self.intake("http"))).await
    }

    async fn start_servers(&self) -> Result<(), StartError> {
        let mut started = Servers::default();
        if let Some(grpc) = &self.config.grpc {
            started.grpc = Some(self.start_grpc(grpc).await?);
        }
        if let Some(http) = &self.config.http {
            match self.start_http(http).await {
                Ok(server) => started.http = Some(server),
                Err(error) => {
                    stop(started, Duration::ZERO).await;
                    return Err(error);
                }
            }
        }
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = started;
        Ok(())
    }
}

async fn start_server<S: Service>(listen: ListenSettings, service: S) -> Result<Arc<Server>, StartError> {
    match Server::start(listen, Arc::new(service)).await {
        Ok(server) => Ok(Arc::new(server)),
        Err(error) => Err(StartError::new(error.to_string())),
    }
}

async fn stop(servers: Servers, within: Duration) {
    let stop = |server: Option<Arc<Server>>| async move {
        if let Some(server) = server {
            server.stop(within).await;
        }
    };
    tokio::join!(stop(servers.grpc), stop(servers.http));
}

impl Component for Receiver {
    fn start(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(self.start_servers())
    }

    fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let servers = std::mem::take(&mut *self.servers.lock().unwrap_or_else(PoisonError::into_inner));
            stop(servers, deadline.since(self.settings.clock.now().mono)).await;
        })
    }

    fn health(&self) -> Health {
        let Servers { grpc, http } = self.servers();
        match grpc.into_iter().chain(http).find(|server| !server.is_alive()) {
            Some(server) => Health::Failed(format!("the server on {} has ended", server.address())),
            None => Health::Ok,
        }
    }
}
