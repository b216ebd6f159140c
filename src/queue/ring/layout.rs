//! The page in front of a lane: who writes it, and the words both sides keep there.
//!
//! ```text
//!    0 magic b"LBlane\r\n"   8 layout u32   12 schema u32   16 capacity u64   24 lane u64
//!   32 started_ns i64       40 pid u32     44 name length u16               46 program length u16
//!   48 name [256]          304 program [256]         560 sender u64   all numbers little-endian
//! 1024 words, each writer's on cache lines of its own
//! 2048 and 2560 the thread that speaks: see `speaker.rs`
//! 3072 context length u16, 3074 context [1000]: as text
//! ```

use super::mapping::{Mapping, PAGE_BYTES};
use super::sync::AtomicU64;
#[cfg(feature = "listener")]
use crate::Context;
use crate::codec::SCHEMA;
use crate::{Process, context};

const MAGIC: &[u8; 8] = b"LBlane\r\n";

/// Version of this page and of the frames around entries.
const LAYOUT: u32 = 2;

/// Longest display name and program name.
const MAX_NAME_BYTES: usize = 256;

/// On a cache line that is written once at most, because every log call looks at it.
pub(super) const QUARANTINED_AT: usize = 1344;

const NAME_AT: usize = 48;
const PROGRAM_AT: usize = NAME_AT + MAX_NAME_BYTES;
const SENDER_AT: usize = PROGRAM_AT + MAX_NAME_BYTES;
const CONTEXT_AT: usize = 3074;

/// The words of what is written and what is synced, which a lane may begin with.
pub(super) const WRITTEN_AT: usize = 1280;
pub(super) const SYNCED_AT: usize = 1288;

const _: () = assert!(CONTEXT_AT + context::MAX_BYTES <= PAGE_BYTES);

/// The words of a lane.
pub(super) trait Words {
    fn mapping(&self) -> &Mapping;

    /// Position behind the last entry. Written by the worker.
    fn tail(&self) -> &AtomicU64 {
        self.mapping().word(1024)
    }

    /// The worker wants the calls before this one to be on the disk.
    fn sync_asked(&self) -> &AtomicU64 {
        self.mapping().word(1088)
    }

    /// How many calls have waited for room.
    fn waits(&self) -> &AtomicU64 {
        self.mapping().word(1096)
    }

    /// The writer sleeps on [`head`](Self::head).
    fn room_asleep(&self) -> &AtomicU64 {
        self.mapping().word(1152)
    }

    /// Flushes sleep on [`written`](Self::written) and [`synced`](Self::synced).
    fn flush_asleep(&self) -> &AtomicU64 {
        self.mapping().word(1160)
    }

    /// Position of the first entry that is still needed. Written by the listener, as all below.
    fn head(&self) -> &AtomicU64 {
        self.mapping().word(1216)
    }

    /// What [`head`](Self::head) is to become when the batch is written.
    #[cfg(feature = "listener")]
    fn next_head(&self) -> &AtomicU64 {
        self.mapping().word(1224)
    }

    /// Number of the batch that [`next_head`](Self::next_head) belongs to.
    #[cfg(feature = "listener")]
    fn batch(&self) -> &AtomicU64 {
        self.mapping().word(1232)
    }

    /// The calls before this one are in the log file.
    fn written(&self) -> &AtomicU64 {
        self.mapping().word(WRITTEN_AT)
    }

    /// The calls before this one are on the disk.
    fn synced(&self) -> &AtomicU64 {
        self.mapping().word(SYNCED_AT)
    }

    /// Not zero: [`synced`](Self::synced) stays where it is, because a sync has failed.
    #[cfg(feature = "listener")]
    fn is_doubtful(&self) -> &AtomicU64 {
        self.mapping().word(1296)
    }

    /// Not 0: the lane is damaged or its file was deleted, and soon no listener reads it any more.
    fn quarantined(&self) -> &AtomicU64 {
        self.mapping().word(QUARANTINED_AT)
    }
}

/// Why the page of a lane says nothing.
#[cfg(feature = "listener")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageRefusal {
    /// It may be whole, for others.
    OtherRelease,
    /// No worker has left it so.
    Damage(&'static str),
}

/// What a lane says of itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LaneFacts {
    /// A random number, unique in the queue's life; also the lane's file name.
    pub(crate) lane: u64,
    /// Bytes of its ring.
    pub(crate) capacity_bytes: usize,
    /// Who writes it; for the records of a sender, that one.
    pub(crate) process: Process,
    /// The number of the sender whose records a listener has put there; 0: those of its process.
    pub(crate) sender: u64,
}

impl LaneFacts {
    /// The page of a new lane.
    pub(super) fn encode(&self) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
        let cut = |text: &str| text.floor_char_boundary(MAX_NAME_BYTES);
        let Process { name, id, program, started_ns, context } = &self.process;
        let context = context::to_text(context);
        let (name, program) = (&name[..cut(name)], &program[..cut(program)]);
        put(0, MAGIC);
        put(8, &LAYOUT.to_le_bytes());
        put(12, &u32::from(SCHEMA).to_le_bytes());
        put(16, &(self.capacity_bytes as u64).to_le_bytes());
        put(24, &self.lane.to_le_bytes());
        put(32, &started_ns.to_le_bytes());
        put(40, &id.to_le_bytes());
        put(44, &(name.len() as u16).to_le_bytes());
        put(46, &(program.len() as u16).to_le_bytes());
        put(NAME_AT, name.as_bytes());
        put(PROGRAM_AT, program.as_bytes());
        put(SENDER_AT, &self.sender.to_le_bytes());
        put(CONTEXT_AT - 2, &(context.len() as u16).to_le_bytes());
        put(CONTEXT_AT, context.as_bytes());
        page
    }

    /// Reads the page of a lane.
    #[cfg(feature = "listener")]
    pub(super) fn decode(page: &[u8; PAGE_BYTES]) -> Result<LaneFacts, PageRefusal> {
        let half = |at: usize| u16::from_le_bytes([page[at], page[at + 1]]);
        let single = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
        let double = |at: usize| u64::from(single(at)) | u64::from(single(at + 4)) << 32;
        if &page[..8] != MAGIC {
            return Err(PageRefusal::Damage("it is no lane"));
        }
        if single(8) != LAYOUT || single(12) != u32::from(SCHEMA) {
            return Err(PageRefusal::OtherRelease);
        }
        let text = |at: usize, length: u16, max_bytes: usize| {
            let length = Some(usize::from(length)).filter(|length| *length <= max_bytes);
            length.and_then(|length| str::from_utf8(&page[at..at + length]).ok())
        };
        let name = |at: usize, length: u16| {
            text(at, length, MAX_NAME_BYTES).ok_or(PageRefusal::Damage("a name in it is no text"))
        };
        let context = text(CONTEXT_AT, half(CONTEXT_AT - 2), context::MAX_BYTES);
        let context: Option<Context> = context.and_then(|text| text.parse().ok());
        let capacity_bytes = usize::try_from(double(16)).unwrap_or(usize::MAX);
        if !(PAGE_BYTES..=super::MAX_QUEUE_BYTES as usize).contains(&capacity_bytes)
            || !capacity_bytes.is_power_of_two()
        {
            return Err(PageRefusal::Damage("its capacity cannot be"));
        }
        Ok(LaneFacts {
            lane: double(24),
            capacity_bytes,
            sender: double(SENDER_AT),
            process: Process {
                name: name(NAME_AT, half(44))?.into(),
                id: single(40),
                program: name(PROGRAM_AT, half(46))?.into(),
                started_ns: double(32) as i64,
                context: context.ok_or(PageRefusal::Damage("its context cannot be read"))?.into(),
            },
        })
    }
}

#[cfg(all(test, feature = "listener"))]
mod tests {
    use super::*;

    fn facts(name: &str) -> LaneFacts {
        let process = Process {
            name: name.into(),
            id: 7,
            program: "program".into(),
            started_ns: -5,
            context: Context::new([("build", "a, b")]).into(),
        };
        LaneFacts {
            lane: u64::MAX - 1,
            capacity_bytes: super::super::LANE_BYTES,
            process,
            sender: u64::MAX - 2,
        }
    }

    #[test]
    fn facts_round_trip_and_long_names_are_cut() {
        assert_eq!(LaneFacts::decode(&facts("wörker").encode()), Ok(facts("wörker")));
        let long = LaneFacts::decode(&facts(&"ü".repeat(500)).encode()).expect("facts");
        assert_eq!(&*long.process.name, "ü".repeat(128));
    }

    #[test]
    fn a_page_with_a_wrong_number_is_refused() {
        let good = facts("w").encode();
        for (at, byte) in [(0, b'x'), (8, 9), (12, 9), (16, 1), (18, 3), (23, 1), (45, 2), (47, 2)]
        {
            let mut page = good;
            page[at] = byte;
            assert!(LaneFacts::decode(&page).is_err(), "byte {at}");
        }
        let mut page = good;
        page[NAME_AT] = 0xff;
        assert_eq!(LaneFacts::decode(&page), Err(PageRefusal::Damage("a name in it is no text")));
        for (at, byte) in [(CONTEXT_AT - 1, 4), (CONTEXT_AT, b',')] {
            let mut page = good;
            page[at] = byte;
            assert_eq!(
                LaneFacts::decode(&page),
                Err(PageRefusal::Damage("its context cannot be read"))
            );
        }
    }
}
