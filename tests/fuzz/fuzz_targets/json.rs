#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = logboom::receiver::json::decode(bytes, 1_795_322_903_000_000_000);
});
