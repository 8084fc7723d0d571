//! The algorithm once more, in simple code without any care for speed or memory: what the
//! processor is compared with. Knows nothing of the processor.

pub(crate) mod banked;
pub(crate) mod facts;
mod histogram;
pub(crate) mod score;
pub(crate) mod self_time;
