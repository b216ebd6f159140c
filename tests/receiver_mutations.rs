//! Gives each decoder what senders send, damaged. Seeded, so that a failure repeats.
//!
//! The corpus is that of the fuzz targets, `tests/fuzz/corpus`. `LOGBOOM_TEST_INPUTS` says how many
//! inputs each decoder gets; scripts/test hands it on.

#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::{env, fs};

use logboom::config::{Config, Form};
use logboom::receiver::{
    DecodeError, MAX_FRAME_BYTES, MAX_RECORD_BYTES, Received, json, pickle, syslog, wire,
};
use logboom::relay;

/// Inputs for each decoder unless the environment says how many: seconds for all.
const INPUTS: u64 = 10_000;

const ARRIVED_NS: i64 = 1_795_322_903_000_000_000;

/// Most bytes that may be allocated at a time for an input of so many bytes. The time zone of the host,
/// read for times without one and again every few minutes, takes 120 KiB.
fn max_allocated_bytes(input: &[u8]) -> u64 {
    256 * 1024 + (512 * input.len() as u64).min(40 * 1024 * 1024)
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn slice<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let start = self.below(bytes.len() + 1);
        let length = self.below(bytes.len() - start + 1).min(1 + self.below(40));
        &bytes[start..start + length]
    }

    /// Bytes that mean something in one of the formats, lengths at their edges, or any.
    fn bytes(&mut self) -> [u8; 4] {
        const SIGNS: &[u8] = b"\0\x01\x7f\x80\xff\xc0\xdd\xdf\xed\"\\{}[]()<>:,. \n1-eXqhRtabcsu";
        let edges = [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX, MAX_FRAME_BYTES as u32, 256, 65_536];
        match self.below(4) {
            0 => edges[self.below(edges.len())].to_be_bytes(),
            1 => edges[self.below(edges.len())].to_le_bytes(),
            2 => [(); 4].map(|()| SIGNS[self.below(SIGNS.len())]),
            _ => (self.next() as u32).to_le_bytes(),
        }
    }

    /// One of the corpus, damaged in a few places.
    fn mutated(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(8) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 | 2 => {
                    let put = self.bytes();
                    let put = &put[..=self.below(4)];
                    let end = bytes.len().min(at + put.len());
                    bytes.splice(at..end, put.iter().copied());
                }
                3 => {
                    let end = bytes.len().min(at + 1 + self.below(8));
                    bytes.drain(at..end);
                }
                4 => {
                    let slice = self.slice(&bytes).to_vec();
                    bytes.splice(at..at, slice);
                }
                5 => {
                    let other = self.below(corpus.len());
                    let slice = self.slice(&corpus[other]).to_vec();
                    bytes.splice(at..at, slice);
                }
                6 if self.below(8) == 0 => bytes.truncate(at),
                7 if self.below(64) == 0 => {
                    let slice = self.slice(&bytes).repeat(1 + self.below(2000));
                    bytes.splice(at..at, slice);
                }
                _ => {}
            }
        }
        bytes
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn inputs() -> u64 {
    let number = |text: String| text.parse().expect("LOGBOOM_TEST_INPUTS is a number of inputs");
    env::var("LOGBOOM_TEST_INPUTS").map_or(INPUTS, number)
}

/// Lets `decode` read `input`, and fails where it panics or allocates too much.
fn check(input: &[u8], decode: impl FnOnce(&[u8])) {
    let mut outcome = Ok(());
    let allocated = allocation_counter::measure(|| {
        outcome = catch_unwind(AssertUnwindSafe(|| decode(input)));
    });
    let shown = || input[..input.len().min(4000)].escape_ascii().to_string();
    if let Err(panic) = outcome {
        eprintln!("panicked at: {}", shown());
        resume_unwind(panic);
    }
    let limit = max_allocated_bytes(input);
    assert!(allocated.bytes_max <= limit, "{} bytes for: {}", allocated.bytes_max, shown());
}

type Decode = for<'a> fn(&'a [u8], i64) -> Result<Received<'a>, DecodeError>;

/// Text of a record, counted as the decoders count it.
fn text_bytes(received: &Received<'_>) -> usize {
    let texts = [
        &received.level_name,
        &received.exception,
        &received.stack_info,
        &received.file,
        &received.function,
        &received.process_name,
        &received.thread_name,
        &received.task_name,
    ];
    let texts: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
    let field = |field: &logboom::Field<'_>| match &field.value {
        logboom::Value::Str(text) => field.key.len() + text.len(),
        _ => field.key.len(),
    };
    let fields: usize = received.fields.iter().map(field).sum();
    received.logger.len() + received.message.len() + texts + fields
}

fn check_record(input: &[u8], decode: Decode) -> bool {
    let mut is_record = false;
    check(input, |input| {
        if let Ok(received) = decode(input, ARRIVED_NS) {
            assert!(text_bytes(&received) <= MAX_RECORD_BYTES);
            is_record = true;
        }
    });
    is_record
}

/// Both records and refusals have to come out of it, else nothing much was tried.
fn drive(name: &str, decode: Decode) {
    let corpus = corpus(name);
    for input in &corpus {
        assert!(check_record(input, decode), "{}", input.escape_ascii());
    }
    let (mut random, inputs) = (Random(0x6c6f_6762), inputs());
    let records = (0..inputs).filter(|_| check_record(&random.mutated(&corpus), decode)).count();
    println!("{name}: {records} of {inputs} inputs are records");
    assert!(records as u64 > inputs / 100, "{records} of {inputs}");
}

#[test]
fn damaged_pickles_do_no_harm() {
    drive("pickle", pickle::decode);
}

#[test]
fn damaged_json_lines_do_no_harm() {
    drive("json", json::decode);
}

#[test]
fn damaged_syslog_datagrams_do_no_harm() {
    drive("syslog", syslog::decode);
}

#[test]
fn damaged_frames_do_no_harm() {
    drive("wire", wire::decode);
}

#[test]
fn damaged_frames_of_other_listeners_do_no_harm() {
    let corpus = corpus("relay");
    for input in &corpus {
        assert!(relay::read(input).is_some_and(|records| records > 0), "{}", input.escape_ascii());
    }
    let (mut random, inputs) = (Random(0x7265_6c61), inputs());
    let mut whole = 0;
    for _ in 0..inputs {
        check(&random.mutated(&corpus), |input| whole += u64::from(relay::read(input).is_some()));
    }
    println!("relay: {whole} of {inputs} inputs are whole");
    assert!(whole > inputs / 100 && whole < inputs / 2, "{whole} of {inputs}");
}

#[test]
fn damaged_configurations_do_no_harm() {
    let corpus = corpus("config");
    let mut random = Random(0x636f_6e66);
    for _ in 0..inputs() {
        let text = String::from_utf8_lossy(&random.mutated(&corpus)).into_owned();
        for form in [Form::Toml, Form::Json, Form::Ini] {
            check(text.as_bytes(), |_| drop(Config::parse(&text, form, "c")));
        }
    }
}

#[test]
fn the_largest_inputs_take_bounded_memory() {
    let filled = |head: &[u8], middle: &[u8], tail: &[u8]| {
        let room = MAX_FRAME_BYTES - head.len() - tail.len();
        [head, &middle.repeat(room / middle.len()), tail].concat()
    };
    let length = |bytes: usize| (bytes as u32).to_le_bytes();
    let text = 4_000_000;
    let long_text =
        |byte: u8| [b"}X\x01\0\0\0aX", &length(text)[..], &vec![byte; text], b"s."].concat();
    for input in [
        filled(b"}", b"]", b""),
        filled(b"}", b"(", b""),
        filled(b"", b"}q\0", b""),
        filled(b"}X\x01\0\0\0a(", b"K\x01", b"ts."),
        filled(b"}X\x01\0\0\0a", b"]q\0h\0", b"s."),
        long_text(b'x'),
        long_text(0),
        long_text(0xff),
    ] {
        check_record(&input, pickle::decode);
    }
    for input in [
        filled(b"{\"a\":", b"[", b""),
        filled(b"{\"a\":\"", b"\\u0001", b"\"}"),
        filled(b"{\"a\":\"", b"\\ud800", b"\"}"),
        filled(b"{\"a\":1", b",\"a\":1", b"}"),
        filled(b"{\"fields\":{\"a\":1", b",\"a\":1", b"}}"),
        filled(b"{\"a\":", b"1", b"}"),
    ] {
        check_record(&input, json::decode);
    }
    for input in [
        filled(b"\xdf\xff\xff\xff\xff", b"\xa0\xc0", b""),
        filled(b"\x81\xa1a\xdd\xff\xff\xff\xff", b"\xc0", b""),
        filled(b"\x81\xa1a", b"\x91", b""),
        [b"\x81\xa1a\xc6\0\x3d\x09\0", &vec![0; text][..]].concat(),
        [b"\x81\xa1a\xdb\0\x3d\x09\0", &vec![0xff; text][..]].concat(),
    ] {
        check_record(&input, wire::decode);
    }
    for input in [
        filled(b"<1>", b"\xff", b""),
        filled(b"<1>1 - - - - - [a", b" b=\"\"", b"]"),
        filled(b"<1>1 - - - - - [a b=\"", b"\\\"", b"\"]"),
        filled(b"<1>1 - - - - - [a", b"][a", b"]"),
        filled(b"<1>1 - - - - - [", b"a", b" b=\"\" b=\"\"]"),
    ] {
        assert!(check_record(&input, syslog::decode));
    }
}
