#![no_main]

use logboom::config::{Config, Form};

libfuzzer_sys::fuzz_target!(|text: &str| {
    for form in [Form::Toml, Form::Json, Form::Ini] {
        let _ = Config::parse(text, form, "config");
    }
});
