//! Arbitrary text as a condition, and bytes as its span; what must hold stands in the library beside.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tailwater_fuzz::ottl(data));
