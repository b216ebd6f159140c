//! Real processes: killed at any instant, and forked.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::{LaneReader, Queue, messages, start, until};
use crate::codec::Draft;
use crate::queue::ring::{MAX_LANES_PER_PROCESS, Ring};
use crate::queue::{Overflow, QueueDir, Transport};
use crate::{Context, Level};

/// The queue directory, set in a process that runs one of the scenes below.
const SCENE: &str = "LOGBOOM_TEST_SCENE";

/// The ring of a scene; `None` where the scene was started as a test.
fn scene(overflow: Overflow) -> Option<Ring> {
    let dir = QueueDir::at(env::var_os(SCENE)?).expect("a short path");
    Some(start(dir, overflow, MAX_LANES_PER_PROCESS))
}

/// Starts a scene in a process of its own; what it says on standard error is for the test.
fn play(name: &str, queue: &Queue) -> (Child, ChildStderr) {
    let mut child = Command::new(env::current_exe().expect("a path"))
        .args(["--exact", &format!("queue::ring::tests::processes::{name}"), "--nocapture"])
        .env(SCENE, queue.dir().path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let said = child.stderr.take().expect("a pipe");
    (child, said)
}

fn send(ring: &Ring, message: &str) {
    ring.send(&Draft::new(1, Level::INFO, "l", format_args!("{message}")));
}

/// Leaves a child without running anything of its parent's.
fn leave() -> ! {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(0) }
}

#[test]
fn scene_log_and_acknowledge() {
    let Some(ring) = scene(Overflow::Block) else { return };
    for number in 0_u64.. {
        send(&ring, &format!("{number}{}", "x".repeat(number as usize % 50)));
        std::io::stderr().write_all(b".").expect("a reader");
    }
}

#[test]
fn no_record_whose_call_had_returned_is_lost_by_a_kill() {
    for round in 0..100_u64 {
        let queue = Queue::new();
        let (mut child, mut said) = play("scene_log_and_acknowledge", &queue);
        // From the first calls to about a third of a lane.
        let mut acknowledged = vec![0; (1 + round * round / 10) as usize];
        said.read_exact(&mut acknowledged).expect("calls");
        child.kill().expect("killed");
        child.wait().expect("ended");
        said.read_to_end(&mut acknowledged).expect("the rest");
        let reader = queue.readers().pop().expect("a lane");
        assert!(!reader.is_alive().expect("a lock"));
        let found = messages(&reader);
        let extra = found.len().checked_sub(acknowledged.len());
        assert!(matches!(extra, Some(0 | 1)), "{} of {}", found.len(), acknowledged.len());
        for (number, message) in found.iter().enumerate() {
            assert_eq!(*message, format!("{number}{}", "x".repeat(number % 50)));
        }
    }
}

#[test]
fn scene_fork_and_log() {
    let Some(ring) = scene(Overflow::Block) else { return };
    send(&ring, "parent before");
    // SAFETY: the child logs, which a fork does not disturb, and leaves.
    match unsafe { fork() }.expect("a child") {
        ForkResult::Child => {
            send(&ring, "child");
            leave();
        }
        ForkResult::Parent { child } => {
            waitpid(child, None).expect("ended");
            send(&ring, "parent after");
        }
    }
}

#[test]
fn a_forked_child_logs_into_a_lane_of_its_own() {
    let queue = Queue::new();
    let (mut child, _said) = play("scene_fork_and_log", &queue);
    assert!(child.wait().expect("ended").success());
    let mut lanes = queue.readers();
    lanes.sort_by_key(|lane| messages(lane).len());
    let pids: Vec<_> = lanes.iter().map(|lane| lane.facts().process.id).collect();
    assert_eq!(
        lanes.iter().map(messages).collect::<Vec<_>>(),
        [vec!["child"], vec!["parent before", "parent after"],]
    );
    assert!(pids[0] != pids[1] && pids[1] == child.id());
    let context =
        |lane: &LaneReader| Context::from(lane.facts().process.context.clone()).to_string();
    assert_eq!(lanes.iter().map(context).collect::<Vec<_>>(), ["run_id=5f"; 2]);
}

#[test]
fn scene_fork_and_die() {
    let Some(ring) = scene(Overflow::Block) else { return };
    send(&ring, "x");
    // SAFETY: the child does nothing but sleep.
    match unsafe { fork() }.expect("a child") {
        ForkResult::Child => loop {
            thread::park();
        },
        ForkResult::Parent { child } => {
            eprintln!("{child}");
            kill(Pid::this(), Signal::SIGKILL).expect("a signal");
        }
    }
}

#[test]
fn a_child_that_never_logs_does_not_keep_its_parent_alive() {
    let queue = Queue::new();
    let (mut parent, said) = play("scene_fork_and_die", &queue);
    let line = BufReader::new(said).lines().next().expect("a line").expect("text");
    let child = Pid::from_raw(line.parse().expect("a number"));
    parent.wait().expect("ended");
    let reader = queue.readers().pop().expect("a lane");
    // The child may begin after its parent has ended.
    until("the lane has ended", || !reader.is_alive().expect("a lock"));
    kill(child, Signal::SIGKILL).expect("it is still there");
}

#[test]
fn scene_fork_while_threads_come_and_go() {
    let Some(ring) = scene(Overflow::DropNewest) else { return };
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    thread::scope(|inner| {
                        inner.spawn(|| send(&ring, "thread"));
                    });
                    let _stats = ring.stats();
                }
            });
        }
        for _ in 0..200 {
            // SAFETY: the child logs, which a fork does not disturb, and leaves.
            match unsafe { fork() }.expect("a child") {
                ForkResult::Child => {
                    send(&ring, "child");
                    ring.close();
                    leave();
                }
                ForkResult::Parent { child } => {
                    let ended = waitpid(child, None).expect("ended");
                    assert_eq!(ended, WaitStatus::Exited(child, 0));
                }
            }
            ring.leave_deleted_lanes();
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn forks_and_threads_do_not_hang_each_other() {
    let queue = Queue::new();
    let (mut child, mut said) = play("scene_fork_while_threads_come_and_go", &queue);
    let mut text = String::new();
    said.read_to_string(&mut text).expect("text");
    assert!(child.wait().expect("ended").success(), "{text}");
    let children = queue.readers().iter().filter(|lane| messages(lane) == ["child"]).count();
    assert_eq!(children, 200);
}

#[test]
fn scene_fork_inside_a_display() {
    let Some(ring) = scene(Overflow::Block) else { return };
    struct Forks;
    impl std::fmt::Display for Forks {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            // SAFETY: the child comes back from the log call and leaves.
            match unsafe { fork() }.expect("a child") {
                ForkResult::Child => f.write_str("child"),
                ForkResult::Parent { child } => {
                    waitpid(child, None).expect("ended");
                    f.write_str("parent")
                }
            }
        }
    }
    let parent = std::process::id();
    send(&ring, &"x".repeat(3));
    ring.send(&Draft::new(1, Level::INFO, "l", format_args!("begun, {Forks}")));
    if std::process::id() != parent {
        leave();
    }
}

#[test]
fn a_fork_inside_a_record_gives_each_process_its_own() {
    let queue = Queue::new();
    let (mut child, _said) = play("scene_fork_inside_a_display", &queue);
    assert!(child.wait().expect("ended").success());
    let mut found: Vec<_> = queue.readers().iter().map(messages).collect();
    found.sort();
    assert_eq!(found, [vec!["begun, child"], vec!["xxx", "begun, parent"]]);
}
