//! Random lives of a log: writes, clocks that step and change, listeners that are stopped, killed, or kill
//! themselves at named points, and start again with other settings, others that rename the log, disks
//! that are full, or have to be left to others. Every record whose call has returned is there once and in
//! order, limits hold, and no foreign file is touched.
//!
//! The disk is a small file system in memory. Where none may be mounted, it is full by the limit of the
//! size of files (`RLIMIT_FSIZE`): writes come short and then fail as well. The clock is that by which logs
//! rotate.
//!
//! `LOGBOOM_TEST_CASES=1000` tries so many lives, `LOGBOOM_TEST_SEED=7` others than usual.
#![allow(clippy::unwrap_used)]

mod case;
mod disk;
mod life;
#[path = "../support/mod.rs"]
mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;

use case::{COMPRESSION_POINTS, Case, POINTS, case};
use life::Life;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const CASES: u32 = 40;
const SEED: u64 = 20;

/// So many lives come to each of the named points.
const CASES_FOR_ALL_POINTS: u32 = 400;

/// What has happened in all cases: a test of things that do not happen shows nothing.
#[derive(Debug, Default)]
struct Happened {
    /// Points at which a listener has killed itself, and how often.
    kills: BTreeMap<&'static str, u32>,
    /// How often records could not be written because the disk was full.
    full_disks: u32,
    /// How often they were held back by a setting.
    held_back: u32,
    rotations: u32,
    moves: u32,
}

thread_local! {
    static HAPPENED: RefCell<Happened> = RefCell::default();
}

fn happened(note: impl FnOnce(&mut Happened)) {
    HAPPENED.with(|happened| note(&mut happened.borrow_mut()));
}

fn live(case: Case) {
    let has_limits = case.has_limits;
    let mut life = Life::begin(&case);
    case.actions.into_iter().for_each(|action| life.act(action));
    life.come_to_an_end();
    let (read, moved) = (life.read(), life.moved());
    assert!(
        read.is_sorted() && moved.iter().all(|numbers| numbers.is_sorted()),
        "{read:?} {moved:?}"
    );
    let mut all = [&read[..], &moved.concat()].concat();
    all.sort_unstable();
    let first = if has_limits { read[0] } else { 0 };
    all.retain(|number| *number >= first);
    assert!(all.iter().copied().eq(first..life.written), "not each once: {read:?} {moved:?}");
    life.assert_nothing_else_is_left();
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[test]
fn whatever_happens_to_a_log_each_record_is_there_once_and_limits_hold() {
    let cases = number("LOGBOOM_TEST_CASES").map_or(CASES, |cases| cases as u32);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number("LOGBOOM_TEST_SEED").unwrap_or(SEED).to_le_bytes());
    let config =
        Config { cases, failure_persistence: None, max_shrink_time: 120_000, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let outcome = TestRunner::new_with_rng(config, rng).run(&case(), |case| {
        live(case);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let happened = HAPPENED.take();
    println!("{happened:?}");
    let kills_at = |point: &&str| happened.kills.get(*point).copied().unwrap_or(0);
    let of_writing = POINTS.iter().map(kills_at).sum::<u32>();
    let of_compressing = COMPRESSION_POINTS.iter().map(kills_at).sum::<u32>();
    assert!(of_writing >= cases / 2 && of_compressing >= cases / 8, "{happened:?}");
    assert!(happened.full_disks >= cases / 8 && happened.held_back >= cases / 4, "{happened:?}");
    assert!(happened.rotations >= cases / 4 && happened.moves >= cases / 4, "{happened:?}");
    if cases >= CASES_FOR_ALL_POINTS {
        let missed: Vec<_> = [&POINTS[..], &COMPRESSION_POINTS]
            .concat()
            .into_iter()
            .filter(|at| kills_at(at) == 0)
            .collect();
        assert!(missed.is_empty(), "no listener was killed at {missed:?}");
    }
}
