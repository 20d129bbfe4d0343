//! Feeds `yaml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edgeway_fuzz::yaml(data));
