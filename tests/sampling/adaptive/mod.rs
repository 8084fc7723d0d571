//! `adaptive` through the whole sampler, as it is built from a config: what is kept, what is
//! recorded and written of it, and that the recorded probability is the true one.

mod chances;
mod fleet;
mod marks;
mod overload;
mod restart;
mod shards;
mod stream;
