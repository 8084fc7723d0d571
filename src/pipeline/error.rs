//! The two error classes of the flow, and their one translation into gRPC and HTTP status.

use std::sync::Arc;
use std::time::Duration;

/// gRPC status codes, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the gRPC specification's")]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

/// Why a consumer did not take a batch. The class decides what happens next; the code is what a
/// client sees.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConsumeError {
    class: Class,
    code: Code,
    message: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Permanent,
    Retryable {
        after: Option<Duration>,
    },
    /// Could be tried again by the client, but who returned it has already tried as long as it
    /// was told to.
    Exhausted,
}

impl Code {
    /// The code with this number; `Unknown` for a number outside the specification.
    pub fn from_number(number: u32) -> Self {
        const ALL: [Code; 17] = [
            Code::Ok,
            Code::Cancelled,
            Code::Unknown,
            Code::InvalidArgument,
            Code::DeadlineExceeded,
            Code::NotFound,
            Code::AlreadyExists,
            Code::PermissionDenied,
            Code::ResourceExhausted,
            Code::FailedPrecondition,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unimplemented,
            Code::Internal,
            Code::Unavailable,
            Code::DataLoss,
            Code::Unauthenticated,
        ];
        ALL.get(number as usize).copied().unwrap_or(Self::Unknown)
    }

    /// HTTP status that the Collector's receiver answers for this code.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::Cancelled
            | Self::DeadlineExceeded
            | Self::Aborted
            | Self::OutOfRange
            | Self::Unavailable
            | Self::DataLoss => 503,
            Self::ResourceExhausted => 429,
            Self::InvalidArgument => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::Unimplemented => 404,
            _ => 500,
        }
    }

    /// The code that the Collector's exporter reads from a backend's HTTP status.
    pub const fn from_http_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Ok,
            400 => Self::InvalidArgument,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 => Self::ResourceExhausted,
            502..=504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// Whether a gRPC client may send again (OTLP specification, "Failures");
    /// `ResourceExhausted` only when the server said after how long.
    pub const fn is_retryable(self, says_when: bool) -> bool {
        match self {
            Self::Cancelled
            | Self::DeadlineExceeded
            | Self::Aborted
            | Self::OutOfRange
            | Self::Unavailable
            | Self::DataLoss => true,
            Self::ResourceExhausted => says_when,
            _ => false,
        }
    }
}

impl ConsumeError {
    /// The batch will never be taken; a client sees `Internal`, as the Collector answers.
    pub fn permanent(message: impl Into<Arc<str>>) -> Self {
        Self { class: Class::Permanent, code: Code::Internal, message: message.into() }
    }

    /// The same batch may be taken later; a client sees `Unavailable`.
    pub fn retryable(message: impl Into<Arc<str>>, after: Option<Duration>) -> Self {
        Self { class: Class::Retryable { after }, code: Code::Unavailable, message: message.into() }
    }

    /// The same error with another code for the client.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// Marks that retrying was already done as long as configured: who holds the batch gives up.
    #[must_use]
    pub fn exhausted(mut self) -> Self {
        if self.is_retryable() {
            self.class = Class::Exhausted;
        }
        self
    }

    /// Whether who holds the batch should try again.
    pub fn is_retryable(&self) -> bool {
        matches!(self.class, Class::Retryable { .. })
    }

    /// Whether it was tried again as long as configured, without success.
    pub fn is_exhausted(&self) -> bool {
        self.class == Class::Exhausted
    }

    /// How long to wait before that, when the other side said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.class {
            Class::Retryable { after } => after,
            Class::Permanent | Class::Exhausted => None,
        }
    }

    /// gRPC code for the client.
    pub fn code(&self) -> Code {
        self.code
    }

    /// HTTP status for the client.
    pub fn http_status(&self) -> u16 {
        self.code.http_status()
    }

    /// What went wrong, for people.
    pub fn message(&self) -> &str {
        &self.message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_collectors_http_status() {
        let expected = [200, 503, 500, 400, 503, 500, 500, 403, 429, 500, 503, 503, 404, 500, 503, 503, 401];
        for (number, status) in (0..).zip(expected) {
            assert_eq!(Code::from_number(number).http_status(), status, "code {number}");
        }
        assert_eq!(Code::from_number(99), Code::Unknown);
    }

    #[test]
    fn resource_exhausted_is_retryable_only_with_a_delay() {
        assert!(!Code::ResourceExhausted.is_retryable(false));
        assert!(Code::ResourceExhausted.is_retryable(true));
        assert!(!Code::Internal.is_retryable(true));
    }

    #[test]
    fn an_exhausted_error_keeps_its_code_and_is_not_tried_again() {
        let error = ConsumeError::retryable("queue is full", None).exhausted();
        assert!(!error.is_retryable());
        assert_eq!(error.code(), Code::Unavailable);
    }
}
