//! Arbitrary bytes as what a sampler learned; what must hold stands in the library beside.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tailwater_fuzz::learned_state(data));
