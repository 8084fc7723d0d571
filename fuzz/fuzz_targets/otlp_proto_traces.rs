//! Arbitrary bytes as a traces request; what must hold stands in the library beside.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tailwater_fuzz::otlp_proto_traces(data));
