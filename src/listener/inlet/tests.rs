use std::sync::mpsc::{Receiver, sync_channel};

use super::*;

fn inlet() -> (Inlet, Receiver<Event>, Arc<Arrivals>) {
    let (sender, events) = sync_channel(4);
    let (arrivals, counts) = (Arc::default(), Arc::default());
    let stop = Stop::new(sender.clone());
    let inlet =
        Inlet::new(&arrivals, sender, stop, counts, ConnectionRoom::new(2)).expect("descriptors");
    (inlet, events, arrivals)
}

fn records(count: usize, bytes: usize) -> Vec<Record<'static>> {
    (0..count).map(|_| Record::new(0, Level::INFO, "", "x".repeat(bytes))).collect()
}

#[test]
fn there_is_room_again_after_a_round_and_the_source_is_woken() {
    let (inlet, events, arrivals) = inlet();
    let mut lane = InletLane::new(Process::default()).unwrap();
    let mut pushed = 0;
    while inlet.has_room() {
        inlet.push(&mut lane, records(1, 1 << 20));
        pushed += 1;
    }
    assert_eq!(pushed, 32);
    assert_eq!(events.try_iter().count(), 1, "one for all that wait");
    let mut rounds = 0;
    while inlet.wake.read().is_err() {
        assert_eq!(arrivals.take().len(), 2);
        rounds += 1;
    }
    assert!(inlet.has_room() && (1..=2).contains(&rounds), "{rounds} rounds");
    let tail = arrivals.pushed();
    assert!(!arrivals.has_taken(tail));
    while !arrivals.take().is_empty() {}
    assert!(arrivals.has_taken(tail) && !arrivals.are_done());
    drop(inlet);
    assert!(arrivals.are_done());
}

#[test]
fn what_is_dropped_is_told_before_the_next_record_and_has_numbers() {
    let (inlet, _events, arrivals) = inlet();
    let mut lane = InletLane::new(Process::default()).unwrap();
    inlet.push(&mut lane, records(1, 1));
    lane.drop_record(Level::INFO, 5);
    lane.drop_record(Level::DEBUG, 6);
    assert!(lane.has_drops());
    inlet.push(&mut lane, records(2, 1));
    lane.drop_record(Level::INFO, 7);
    inlet.push(&mut lane, Vec::new());
    inlet.push(&mut lane, Vec::new());
    let arrived = arrivals.take();
    let seqs = |arrival: &Arrival| arrival.records.iter().map(|record| record.seq).collect();
    assert_eq!(arrived.iter().map(seqs).collect::<Vec<Vec<_>>>(), [vec![0], vec![3, 4], vec![]]);
    let drops: Vec<_> = arrived.iter().map(|arrival| arrival.drops.as_ref()).collect();
    assert_eq!(drops[1].map(|drops| (drops.first_seq, drops.total())), Some((1, 2)));
    assert_eq!(drops[2].map(|drops| (drops.first_seq, drops.total())), Some((5, 1)));
    assert!(arrived.iter().flat_map(|arrival| &arrival.records).all(|r| r.lane == lane.number));
}

#[test]
fn an_end_lets_go_of_what_waits_and_of_those_who_wait() {
    let (inlet, _events, arrivals) = inlet();
    let mut lane = InletLane::new(Process::default()).unwrap();
    inlet.push(&mut lane, records(3, 1));
    arrivals.close();
    assert!(inlet.is_closing() && inlet.wake.read().is_ok() && !inlet.has_ended());
    inlet.push(&mut lane, records(40, 1 << 20));
    assert!(!inlet.has_room());
    assert_eq!(arrivals.abandon(), 43);
    assert!(inlet.has_room() && inlet.has_ended());
    inlet.push(&mut lane, records(1, 1));
    assert!(arrivals.take().is_empty());
}

#[test]
fn what_is_given_has_a_process_and_a_size() {
    let (inlet, _events, arrivals) = inlet();
    let process = Process { name: "peer".into(), ..Process::default() };
    let mut lane = inlet.lane(process).unwrap();
    for record in records(1, 1).into_iter().chain(records(1, MAX_RECORD_BYTES)) {
        assert!(inlet.give(&mut lane, record));
    }
    let mut own = records(1, 1).remove(0);
    own.process.to_mut().name = "own".into();
    inlet.give(&mut lane, own);
    let arrived = arrivals.take();
    let drops = arrived.iter().filter_map(|arrival| arrival.drops.as_ref());
    assert_eq!(drops.map(Drops::total).sum::<u64>(), 1, "too large");
    let given = arrived.iter().flat_map(|arrival| &arrival.records);
    let given: Vec<_> = given.map(|record| (&*record.process.name, record.seq)).collect();
    assert_eq!(given, [("peer", 0), ("own", 2)]);
    arrivals.abandon();
    assert!(!inlet.give(&mut lane, records(1, 1).remove(0)));
}

#[test]
fn sources_share_the_descriptors() {
    let (inlet, _events, _arrivals) = inlet();
    assert_eq!([0; 3].map(|_| inlet.connect()), [true, true, false]);
    inlet.disconnect(1);
    assert!(inlet.connect() && !inlet.connect());
}
