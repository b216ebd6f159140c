use std::sync::mpsc;
use std::thread;

use super::*;

/// How long is waited for what does not hang.
const PATIENCE: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(script);
    shell
}

#[test]
fn an_interrupt_while_the_listener_starts_ends_the_run() {
    let (done, ended) = mpsc::sync_channel(1);
    let run = thread::spawn(move || {
        let directory = tempfile::tempdir().unwrap();
        let queue = QueueDir::at(directory.path()).unwrap();
        let listener = shell("echo ready >&0; read stop; echo stopped 0 0 0 0 0 0 >&0");
        let mut supervisor = Supervisor::new(queue, listener, PATIENCE, |_| {});
        supervisor.interrupter().interrupt(2);
        let worker = WorkerCommand::new("w", shell("sleep 1000")).unwrap();
        let outcome = supervisor.run(vec![worker]).unwrap();
        supervisor.stop().unwrap();
        done.send((outcome.to_string(), outcome.stopped)).unwrap();
    });
    let outcome = ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(outcome, ("interrupted by SIGINT".to_owned(), 0));
    // Its directory is gone then.
    run.join().unwrap();
}

#[test]
fn an_interrupt_does_not_wait_for_a_listener_that_gets_stuck_at_its_start() {
    for interrupts in [1, 2] {
        let directory = tempfile::tempdir().unwrap();
        let queue = QueueDir::at(directory.path()).unwrap();
        let mut supervisor = Supervisor::new(queue, shell("exec sleep 1000"), PATIENCE, |_| {});
        (0..interrupts).for_each(|_| supervisor.interrupter().interrupt(2));
        let worker = WorkerCommand::new("w", shell("sleep 1000")).unwrap();
        let since = Instant::now();
        let error = supervisor.run(vec![worker]).unwrap_err();
        assert_eq!(error.to_string(), "interrupted by SIGINT before the listener was ready");
        assert!(since.elapsed() < READY_TIMEOUT, "{:?}", since.elapsed());
    }
}
