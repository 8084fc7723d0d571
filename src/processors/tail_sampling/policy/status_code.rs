//! `status_code`: keeps traces in which some span has one of the listed status codes.

use super::{Ballot, Policy, TraceView, Verdict};
use crate::config::Section;
use crate::model::Now;

/// The keys of `status_code`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Bit 0 for UNSET, 1 for OK, 2 for ERROR.
    pub statuses: u8,
}

pub(super) fn decode(section: &mut Section<'_>, policy: &str) -> Config {
    let mut statuses = 0;
    let codes = section.strings("status_codes").unwrap_or_default();
    if codes.is_empty() {
        section.error(
            "status_codes",
            format!("policy {policy:?} expects at least one status code to filter on: OK, ERROR or UNSET"),
        );
    }
    for code in &codes {
        match code.as_str() {
            "UNSET" => statuses |= 1,
            "OK" => statuses |= 2,
            "ERROR" => statuses |= 4,
            _ => section.error(
                "status_codes",
                format!("policy {policy:?}: unknown status code {code:?}; write OK, ERROR or UNSET"),
            ),
        }
    }
    Config { statuses }
}

/// See the module.
pub struct StatusCode {
    statuses: u8,
}

impl StatusCode {
    /// Looks for the statuses of the config.
    pub fn new(config: &Config) -> Self {
        Self { statuses: config.statuses }
    }
}

impl Policy for StatusCode {
    fn evaluate(&mut self, trace: &TraceView<'_>, _: &mut Ballot, _: Now) -> Verdict {
        Verdict::kept_if(trace.summary().statuses & self.statuses != 0)
    }
}
