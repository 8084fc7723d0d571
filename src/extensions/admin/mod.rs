//! `admin`: answers why a trace is there or not, for `tailwater explain` and for scripts.
//! Off unless configured; listens on loopback unless told otherwise.
//!
//! ```yaml
//! extensions:
//!   admin:
//!     endpoint: localhost:13134
//!     decisions:
//!       remembered: 100000
//!       file:
//!         path: /var/log/tailwater/decisions.jsonl
//! ```
//!
//! `GET /v1/traces/{trace id}` says what each sampler decided on a trace, `GET /v1/decisions` the
//! latest decisions, `GET /v1/shapes` how many traces of each shape were kept and dropped. All are
//! read-only and hold no attribute values: ids, numbers, and names of services, spans and policies.

mod config;
mod file;
mod pages;
mod recorder;

pub use config::Config;
pub use config::decode;

use std::sync::Arc;

use crate::model::Instant;
use crate::net::Site;
use crate::pipeline::{
    BoxFuture, BuildError, Component, DecisionLog, ExtensionConfig, ExtensionContext, Health, Listens, Settings,
    StartError,
};
use pages::DecisionPages;
use recorder::Recorder;

impl ExtensionConfig for Config {
    fn decisions_remembered(&self) -> usize {
        self.remembered
    }

    fn listens(&self) -> Vec<Listens> {
        let file = self.file.as_ref().map(|file| Listens::File { path: file.path.clone(), create_directory: false });
        std::iter::once(Listens::Tcp(self.server.endpoint.clone())).chain(file).collect()
    }

    fn build(&self, settings: &Settings, context: ExtensionContext) -> Result<Arc<dyn Component>, BuildError> {
        let log = context.decisions.unwrap_or_else(|| Arc::new(DecisionLog::new(0)));
        let recorder = self.file.clone().map(|file| Recorder::new(file, log.clone(), settings));
        let site = Site::new(self.server.clone(), DecisionPages::new(log), settings.clock.clone());
        Ok(Arc::new(Admin { site, recorder }))
    }
}

struct Admin {
    site: Site<DecisionPages>,
    recorder: Option<Recorder>,
}

impl Component for Admin {
    fn start(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async {
            if let Some(recorder) = &self.recorder {
                recorder.start().await?;
            }
            self.site.start().await
        })
    }

    fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.site.shutdown(deadline).await;
            if let Some(recorder) = &self.recorder {
                recorder.shutdown(deadline).await;
            }
        })
    }

    fn health(&self) -> Health {
        self.site.health()
    }
}
