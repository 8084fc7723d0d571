//! Arbitrary bytes as Jaeger JSON; what must hold stands in the library beside.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tailwater_fuzz::jaeger_json(data));
