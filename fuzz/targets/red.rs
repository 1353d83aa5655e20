#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vbranch_sfu::fuzzing::red(data));
