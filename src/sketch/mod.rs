//! Floor 1: small summaries of many numbers, of a fixed size, that merge exactly. Pure: the time
//! is an argument, and nothing here knows what is summarized.

mod buckets;
mod counts;
mod decaying_count;
mod generations;
mod histogram;
mod window;

pub use buckets::{BUCKETS, Bucket, bucket_of};
pub use counts::Counts;
pub use decaying_count::DecayingCount;
pub use generations::Generations;
pub use histogram::{DecodeError, Histogram};
pub use window::{SPILL, Window};
