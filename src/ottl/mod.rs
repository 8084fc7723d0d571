//! Floor 2: the OpenTelemetry Transformation Language, as far as conditions need it: text is
//! parsed, bound to a context, and evaluated against the wire bytes of a span.
//!
//! Invariant: pure. No clock (the time is an argument), no configuration, no I/O; it knows `model`
//! alone. What OpenTelemetry Collector 0.155 answers is right; `docs/ottl.md` lists what is absent.
//!
//! ```text
//! text ─lexer─▶ tokens ─parser─▶ syntax ─compile─▶ Condition ─evaluate(Target)─▶ bool
//! ```

mod arithmetic;
mod compare;
mod compile;
mod condition;
mod convert;
mod error;
mod evaluate;
mod functions;
mod json;
mod lexer;
mod parser;
mod path;
pub mod pattern;
mod print;
mod program;
mod syntax;
mod target;
mod trace_state;
mod value;

pub use condition::{Condition, Context, normalize};
pub use error::{EvalError, ParseError};
pub use target::{EventView, Target};

/// Longest text of a condition, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 << 10;
/// How deep parentheses, calls, lists, maps and indexes may nest.
pub const DEPTH_MAX: u32 = 48;
/// How many items a list, a map, a call or a chain of operators may have.
pub const ITEMS_MAX: usize = 4_096;
