//! A listener under attack by processes of its own user: healthy workers notice nothing, and
//! afterwards it is as it was.
#![allow(clippy::unwrap_used)]

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use logboom::{Certainty, Overflow};
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socket,
};
use peer::{GREETING, attach, connect, greet, wait_refused};
use support::{Load, PATIENCE, Place, by_channel, role, say, wait_until};

/// Logs numbered records until the file `role[1]` exists, or it is killed.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    for number in 1.. {
        log::info!("record {}", number - 1);
        if number == 1 {
            assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
            say("started");
        }
        if role.get(1).is_some_and(|end| fs::exists(end).unwrap()) {
            say(&number.to_string());
            return;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Lets `attack` happen while two healthy workers log, one by each transport: all their records have
/// to be in the log, and the listener has to be as before.
fn attacked(attack: impl FnOnce(&Place)) {
    let place = Place::new();
    let mut command =
        place.logboom(&["listen", "--format", "%(processName)s %(message)s", "--log"]);
    // What a backtrace needs stays in memory.
    command.arg(place.log()).env_remove("RUST_BACKTRACE");
    let listener = place.serve(command);
    let end = place.path("end").display().to_string();
    let mut workers = [
        place.worker("healthy-ring", &["until", &end]),
        place.start_worker("healthy-channel", &["until", &end], by_channel),
    ];
    workers.iter_mut().for_each(|worker| assert_eq!(worker.heard(), "started"));
    let load = Load::of(&listener);
    attack(&place);
    load.wait_for_return(&listener);
    fs::write(&end, "").unwrap();
    let counts = workers.each_mut().map(|worker| worker.heard());
    workers.into_iter().for_each(|worker| worker.finish());
    let report = listener.stop();
    assert_eq!(report.missing, 0);
    for (worker, count) in ["healthy-ring", "healthy-channel"].into_iter().zip(counts) {
        let expected = (0..count.parse().unwrap()).map(|number: u64| format!("record {number}"));
        assert!(place.messages_of(worker).into_iter().eq(expected), "{worker} is not complete");
    }
}

/// A connection to the one-shot server `name` that speaks no ipc-channel.
fn connect_raw(name: &str) -> impl AsRawFd + use<> {
    let socket =
        socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
    nix::sys::socket::connect(socket.as_raw_fd(), &UnixAddr::new(name).unwrap()).unwrap();
    socket
}

/// Sends `bytes`, and 64 descriptors with them, as many as one message takes.
fn send_descriptors(to: RawFd, bytes: &[u8], file: &File) {
    let descriptors = [file.as_fd().as_raw_fd(); 64];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(to, &[IoSlice::new(bytes)], &rights, MsgFlags::empty(), None).unwrap();
}

#[test]
fn ten_thousand_connections_harm_nobody() {
    attacked(|place| {
        let mut open = VecDeque::new();
        for number in 0..10_000_usize {
            let mut stream = connect(place);
            // Nothing, half a greeting, a whole one, or none of ours; the listener may have had enough.
            let _refused = stream.write(&GREETING[..number % 13]);
            open.push_back(stream);
            if open.len() > 500 {
                open.pop_front();
            }
        }
    });
}

#[test]
fn descriptors_that_nobody_asked_for_are_not_kept() {
    attacked(|place| {
        let file = File::open("/dev/null").unwrap();
        for _ in 0..50 {
            // With the greeting, and with one byte more: 65 and more on one connection.
            let mut stream = connect(place);
            send_descriptors(stream.as_raw_fd(), &GREETING[..11], &file);
            send_descriptors(stream.as_raw_fd(), &GREETING[11..], &file);
            let mut head = [0; 5];
            stream.read_exact(&mut head).unwrap();
        }
        for _ in 0..10 {
            // Instead of a hello: 64 descriptors and no message.
            let mut stream = connect(place);
            let server = connect_raw(&greet(&mut stream));
            let size = 24_u64.to_le_bytes();
            let message = [size, 8_u64.to_le_bytes(), [0xff; 8]].concat();
            send_descriptors(server.as_raw_fd(), &message, &file);
            stream.write_all(&[1]).unwrap();
        }
        wait_refused(place, "no valid hello", 60);
    });
}

#[test]
fn lengths_of_four_gibibytes_are_not_believed() {
    attacked(|place| {
        let (_stream, data, _updates) = attach(place);
        let header = [b"LBB\x01\0\0\0\0".as_slice(), &7_u64.to_le_bytes(), &[0; 16]].concat();
        // An entry, a text of an entry, and a list of an entry.
        let entries: [&[u8]; 3] = [
            &[0xff, 0xff, 0xff, 0xff, 0],
            &[6, 0, 0, 0, 0x92, 0xdb, 0xff, 0xff, 0xff, 0xff],
            &[5, 0, 0, 0, 0xdd, 0xff, 0xff, 0xff, 0xff],
        ];
        for entry in entries {
            data.send(&[&header[..], entry].concat()).unwrap();
        }
        wait_refused(place, "damaged batch", entries.len() as u64);
        // A hello.
        let mut stream = connect(place);
        let server = connect_raw(&greet(&mut stream));
        let sizes = [24_u64.to_le_bytes(), (4_u64 << 30).to_le_bytes(), [0; 8]].concat();
        let sent = sendmsg::<()>(
            server.as_raw_fd(),
            &[IoSlice::new(&sizes)],
            &[],
            MsgFlags::empty(),
            None,
        );
        sent.unwrap();
        stream.write_all(&[1]).unwrap();
        wait_refused(place, "no valid hello", 1);
    });
}

/// The lane of a worker that was killed, taken away before the next listener sees it.
fn real_lane(place: &Place) -> Vec<u8> {
    let mut worker = place.worker("victim", &["ever"]);
    worker.heard();
    let name = place.status().workers.into_iter().find(|worker| worker.name == "victim");
    let lane = place.lanes().join(format!("{}.lane", name.unwrap().lane));
    let bytes = fs::read(&lane).unwrap();
    worker.process.signal(Signal::SIGKILL);
    worker.process.wait();
    wait_until("the end of the lane", || !lane.exists());
    bytes
}

#[test]
fn garbage_in_lanes_harms_nobody() {
    attacked(|place| {
        let lane = real_lane(place);
        let mut random = 0x9e37_79b9_u64;
        let mut number = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            random >> 33
        };
        let mut noise = |bytes: &mut [u8]| bytes.iter_mut().for_each(|byte| *byte = number() as u8);
        let mut forged: Vec<Vec<u8>> = vec![vec![], b"lane".to_vec(), lane[..5000].to_vec()];
        for from in [0, 1024, 2048, 4096, 4096] {
            let mut bytes = lane.clone();
            noise(&mut bytes[from..]);
            forged.push(bytes);
        }
        for (at, bytes) in forged.iter().enumerate() {
            // Made aside, so that the listener finds it whole.
            let aside = place.path("aside");
            fs::write(&aside, bytes).unwrap();
            fs::rename(&aside, place.lanes().join(format!("{at:016x}.lane"))).unwrap();
        }
        // Under whatever name it is kept.
        let last = format!("{:016x}", forged.len() - 1);
        let told = || place.lines().iter().any(|line| line.contains(&last));
        wait_until("the word of the listener", told);
        // A lane whose contents change under the listener's hands.
        let changing = place.lanes().join("00000000000000ff.lane");
        fs::write(place.path("aside"), &lane).unwrap();
        let file = File::options().write(true).open(place.path("aside")).unwrap();
        fs::rename(place.path("aside"), &changing).unwrap();
        for _ in 0..2000 {
            let mut bytes = [0; 64];
            noise(&mut bytes);
            let _gone = file.write_all_at(&bytes, 1024 + 64 * (u64::from(bytes[0]) % 3000));
        }
    });
}
