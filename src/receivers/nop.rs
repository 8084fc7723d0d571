//! The `nop` receiver: receives nothing. For configs that only try out exporters or extensions.
//!
//! ```yaml
//! receivers:
//!   nop:
//! ```

use std::sync::Arc;

use crate::config::Section;
use crate::pipeline::{BuildError, Component, Consumers, ReceiverConfig, Settings};

/// The config of `nop`: no keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config;

impl Config {
    /// Reads the section, which has no keys.
    pub(crate) fn decode(_section: &mut Section<'_>) -> Self {
        Self
    }
}

impl ReceiverConfig for Config {
    fn build(&self, _settings: &Settings, _next: Consumers) -> Result<Arc<dyn Component>, BuildError> {
        Ok(Arc::new(Nop))
    }
}

/// Receives nothing.
#[derive(Debug)]
struct Nop;

impl Component for Nop {}
