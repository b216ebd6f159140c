//! What may happen in a life of a log.

use proptest::prelude::*;

/// Zones with a change of their clocks in the year 2100: later than all files of the test are born.
const CHANGES: [(&str, i64); 6] = [
    ("Europe/Berlin", 4_109_878_800),
    ("Europe/Berlin", 4_128_627_600),
    ("America/Havana", 4_108_683_600),
    ("America/Havana", 4_129_246_800),
    ("Australia/Lord_Howe", 4_110_447_600),
    ("Australia/Lord_Howe", 4_126_174_200),
];

const DAY_S: i64 = 86_400;

/// At which a listener kills itself: in a batch, a recovery or a rotation.
pub(crate) const POINTS: [&str; 21] = [
    "after-claim",
    "after-names",
    "after-cut",
    "before-note",
    "after-note",
    "amid-announce",
    "after-announce",
    "before-write",
    "after-short-write",
    "after-write",
    "before-head",
    "after-heads",
    "after-done",
    "before-rename-1",
    "after-rename-1",
    "before-rename-2",
    "after-rename-2",
    "before-open",
    "after-open",
    "before-delete",
    "after-delete",
];

/// In a compression.
pub(crate) const COMPRESSION_POINTS: [&str; 4] =
    ["amid-compression", "before-compressed", "after-compressed", "after-plain"];

pub(crate) const MAX_FILE_BYTES: u64 = 9000;

/// A point and how often it is passed before that.
pub(crate) type Fault = (&'static str, u32);

#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// So many records of this length.
    Write(u32, usize),
    /// The clock goes forward or back.
    Step(i64),
    Rotate,
    /// Others rename the log.
    Move,
    /// So little is free on the disk, until there is room or the listener is started again.
    Full(u64),
    /// There is room again.
    Free,
    /// With what is to happen to the listener that comes, and to those that come when it has killed itself.
    Restart(End, Settings, Vec<Fault>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Stop,
    Kill,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) max_bytes: u64,
    pub(crate) names: &'static str,
    pub(crate) schedule: Option<&'static str>,
    pub(crate) rotates_on_start: bool,
    pub(crate) compression: Option<&'static str>,
    pub(crate) backup_count: u32,
    pub(crate) keep_age: Option<&'static str>,
    pub(crate) room: Room,
}

/// What limits the room of the log on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Ample,
    /// The oldest backups go beyond so many bytes.
    OldestGoBeyond(u64),
    /// Records are held back beyond so many bytes.
    HeldBackBeyond(u64),
    /// More has to stay free than there is: records are held back.
    NoneToTake,
    /// The same, and all backups go before.
    NoneToLeave,
}

impl Room {
    pub(crate) fn holds_back(self) -> bool {
        !matches!(self, Room::Ample | Room::OldestGoBeyond(_))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) zone: &'static str,
    pub(crate) start_s: i64,
    /// Whether backups are deleted.
    pub(crate) has_limits: bool,
    pub(crate) first: Settings,
    pub(crate) actions: Vec<Action>,
}

fn room(has_limits: bool, max_bytes: u64) -> impl Strategy<Value = Room> {
    prop_oneof![
        12 => Just(Room::Ample),
        4 => Just(if has_limits { Room::OldestGoBeyond(2 * max_bytes + 1000) } else { Room::Ample }),
        4 => (max_bytes..5 * max_bytes).prop_map(Room::HeldBackBeyond),
        1 => Just(if has_limits { Room::NoneToLeave } else { Room::NoneToTake }),
    ]
}

fn settings(has_limits: bool) -> impl Strategy<Value = Settings> {
    let schedules =
        vec![None, Some("midnight"), Some("hourly"), Some("sun 02:30"), Some("every 2h")];
    let max_bytes = prop::sample::select(vec![3000, MAX_FILE_BYTES]);
    let sizes = max_bytes.prop_flat_map(move |bytes| (Just(bytes), room(has_limits, bytes)));
    let values = (
        sizes,
        prop::sample::select(vec!["number", "date", "unique"]),
        prop::sample::select(schedules),
        any::<bool>(),
        prop::sample::select(vec![None, Some("gzip"), Some("zstd")]),
        1..5_u32,
        prop::sample::select(vec![None, None, Some("3h")]),
    );
    values.prop_map(
        move |((max_bytes, room), names, schedule, rotates_on_start, compression, count, age)| {
            Settings {
                max_bytes,
                names,
                schedule,
                rotates_on_start,
                compression,
                backup_count: if has_limits { count } else { 100_000 },
                keep_age: age.filter(|_| has_limits),
                room,
            }
        },
    )
}

fn faults(compresses: bool) -> impl Strategy<Value = Vec<Fault>> {
    let mut points = POINTS.to_vec();
    if compresses {
        // As likely as all others together: they come less often.
        (0..5).for_each(|_| points.extend(COMPRESSION_POINTS));
    }
    let faults = prop::collection::vec((prop::sample::select(points), 1..3_u32), 0..4);
    faults.prop_map(|mut faults| {
        // Only who comes after a short write cuts it off: by chance alone hardly one would be killed there.
        for at in 1..faults.len() {
            if faults[at - 1].0 == "after-short-write" {
                faults[at] = ("after-cut", 1);
            }
        }
        faults
    })
}

fn restart(has_limits: bool) -> impl Strategy<Value = Action> {
    let end = prop_oneof![Just(End::Stop), Just(End::Kill)];
    let next = settings(has_limits).prop_flat_map(|settings| {
        let faults = faults(settings.compression.is_some());
        (Just(settings), faults)
    });
    (end, next).prop_map(|(end, (settings, faults))| Action::Restart(end, settings, faults))
}

fn action(has_limits: bool) -> impl Strategy<Value = Action> {
    prop_oneof![
        14 => (1..6_u32, 20..1500_usize).prop_map(|(count, length)| Action::Write(count, length)),
        2 => prop_oneof![0..4000_i64, 0..2 * DAY_S, -4000..0_i64].prop_map(Action::Step),
        2 => Just(Action::Rotate),
        1 => Just(Action::Move),
        2 => (1..9000_u64).prop_map(Action::Full),
        2 => Just(Action::Free),
        5 => restart(has_limits),
    ]
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let change = prop::sample::select(CHANGES.to_vec());
    let of_case = |has_limits| {
        (settings(has_limits), prop::collection::vec(action(has_limits), 1..40))
            .prop_map(move |(first, actions)| (has_limits, first, actions))
    };
    (change, -DAY_S..DAY_S, any::<bool>().prop_flat_map(of_case)).prop_map(
        |((zone, change_s), before_s, (has_limits, first, actions))| Case {
            zone,
            start_s: change_s + before_s,
            has_limits,
            first,
            actions,
        },
    )
}
