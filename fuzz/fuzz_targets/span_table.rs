//! Arbitrary bytes as a table of spans; what must hold stands in the library beside.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tailwater_fuzz::span_table(data));
