//! Floor 1: one trace from a loose set of spans. It is told plain facts and answers with a tree,
//! corrected times, self times, a critical path and a shape; it must not know where the spans
//! come from, what their operations are called, or what is decided about them.
//!
//! ```text
//!  rows in any order          tree                     time, seen from the root
//!  ┌──────────────┐           a  GET /cart             a ├──────────────────────┤
//!  │ c → parent b │           ├─ b  client call          b  ├────────────┤
//!  │ a (no parent)│  ──────▶  │  └─ c  server call          c   ├──────┤  (its clock was wrong:
//!  │ b → parent a │           └─ d  client call                            moved into b)
//!  │ b (again)    │                                      d                 ├──────┤ outlives a
//!  │ d → parent a │           self time of a: duration − union of b and d, clipped to a
//!  └──────────────┘           critical path:  a ▸ b ▸ c ▸ b ▸ a ▸ d, with no gap
//! ```
//!
//! The files stand in the order of the work: `table` finds spans by id, `links` drops duplicates,
//! pairs shared ids and names each span's parent, `cover` takes children off their parents in one pass
//! where clocks agree and no link leads back; else `cycles` cuts what leads back to itself, `skew`
//! moves spans whose host has a wrong clock, `self_time` takes children off their parents,
//! `critical_path` walks back from the end, `shape` names the set of edges. `assembler` runs them
//! over scratch memory that the next trace reuses, `assembled` answers.
//!
//! Any subset of a trace will do, and any numbers: a missing root or parent leaves several
//! trees, an end before its start is a length of zero, ids may clash, depth may be a million
//! (nothing here recurses), and arithmetic saturates. The worst case is O(n log n).
//!
//! Words: a *top* has no parent in its tree. It is a *root* if it names no parent, an *orphan* if
//! its parent is not among the spans, and a *head* if the link to its parent was cut to break a
//! cycle.

mod assembled;
mod assembler;
mod critical_path;
mod cover;
mod cycles;
mod facts;
mod links;
mod node;
mod self_time;
mod shape;
mod skew;
mod table;

pub use assembled::Assembled;
pub use assembler::Assembler;
pub use critical_path::Segment;
pub use facts::SpanFacts;
pub use shape::Shape;
