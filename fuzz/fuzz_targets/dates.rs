#![no_main]

// Each target uses one of them.
#[allow(dead_code)]
#[path = "../../tests/nonsense/doors.rs"]
mod doors;

libfuzzer_sys::fuzz_target!(|input: &str| doors::as_date(input));
