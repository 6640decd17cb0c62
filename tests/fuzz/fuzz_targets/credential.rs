#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| punchdown::fuzz::credential(input));
