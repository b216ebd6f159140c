//! What supervisor and listener say to each other: short lines over a socket pair.
//!
//! The end of the link without a `stop` before it means that the supervisor is gone.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::command::is_plain_name;
use super::group::Group;
use crate::control::StopReport;

/// Longest line, with its end: the longest name of a worker and two numbers fit well.
const MAX_LINE_BYTES: u64 = 160;

/// How long the other side may leave a line unread.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// What the supervisor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ToListener {
    /// A worker runs in this group. Should the supervisor vanish, it has to be ended.
    Started { group: Group, name: String },
    /// Nobody is left in this group; its number may belong to others soon.
    Ended { group: Group },
    /// Rotate the log files.
    Rotate,
    /// Drain and stop.
    Stop,
    /// Stop within [`HURRY_TIMEOUT`](super::supervised::HURRY_TIMEOUT), drained or not.
    Hurry,
}

/// What the listener says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToSupervisor {
    /// Workers may attach.
    Ready,
    /// Somebody has asked it to stop.
    Asked,
    /// It has stopped.
    Stopped(StopReport),
}

/// A message that is one line.
pub(super) trait Message: fmt::Display + Sized {
    /// Reads a line without its end; `None` where it is none.
    fn parse(line: &str) -> Option<Self>;
}

impl fmt::Display for ToListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ToListener::Started { group, name } => write!(f, "group {} {name}", group.leader()),
            ToListener::Ended { group } => write!(f, "ended {}", group.leader()),
            ToListener::Rotate => write!(f, "rotate"),
            ToListener::Stop => write!(f, "stop"),
            ToListener::Hurry => write!(f, "hurry"),
        }
    }
}

impl Message for ToListener {
    fn parse(line: &str) -> Option<ToListener> {
        let group = |text: &str| Group::new(number(text)?);
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["group", pgid, name] if is_plain_name(name) => {
                Some(ToListener::Started { group: group(pgid)?, name: name.to_owned() })
            }
            ["ended", pgid] => Some(ToListener::Ended { group: group(pgid)? }),
            ["rotate"] => Some(ToListener::Rotate),
            ["stop"] => Some(ToListener::Stop),
            ["hurry"] => Some(ToListener::Hurry),
            _ => None,
        }
    }
}

impl fmt::Display for ToSupervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ToSupervisor::Ready => write!(f, "ready"),
            ToSupervisor::Asked => write!(f, "asked"),
            ToSupervisor::Stopped(report) => {
                let StopReport { drained, dropped, missing, unconfirmed, left_lanes, log_failed } =
                    report;
                let log_failed = u8::from(*log_failed);
                write!(f, "stopped {drained} {dropped} {missing} {unconfirmed} {left_lanes} ")?;
                write!(f, "{log_failed}")
            }
        }
    }
}

impl Message for ToSupervisor {
    fn parse(line: &str) -> Option<ToSupervisor> {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["ready"] => Some(ToSupervisor::Ready),
            ["asked"] => Some(ToSupervisor::Asked),
            ["stopped", drained, dropped, missing, unconfirmed, left_lanes, log_failed] => {
                Some(ToSupervisor::Stopped(StopReport {
                    drained: number(drained)?,
                    dropped: number(dropped)?,
                    missing: number(missing)?,
                    unconfirmed: number(unconfirmed)?,
                    left_lanes: number(left_lanes)?,
                    log_failed: flag(log_failed)?,
                }))
            }
            _ => None,
        }
    }
}

/// A decimal number as we write it: no sign, no leading zero.
fn number<T: std::str::FromStr + ToString>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number: &T| number.to_string() == text)
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// The sending half of a link. Cheap to use from one thread; a send takes at most some seconds.
pub(super) struct Sender(UnixStream);

/// The receiving half of a link.
pub(super) struct Receiver(BufReader<UnixStream>);

/// The two halves of one end of a link.
pub(super) fn halves(stream: UnixStream) -> io::Result<(Sender, Receiver)> {
    stream.set_write_timeout(Some(SEND_TIMEOUT))?;
    let receiver = Receiver(BufReader::new(stream.try_clone()?));
    Ok((Sender(stream), receiver))
}

impl Sender {
    /// Sends messages, in one write: the system counts room for about three hundred of them, however
    /// short they are.
    ///
    /// # Errors
    /// The other side is gone, which whoever reads the link notices, or has left so much unread for so
    /// long that it misses these.
    pub(super) fn send<'m, M: Message + 'm>(
        &mut self,
        messages: impl IntoIterator<Item = &'m M>,
    ) -> io::Result<()> {
        let lines: String = messages.into_iter().map(|message| format!("{message}\n")).collect();
        self.0.write_all(lines.as_bytes())
    }

    /// Ends the link, also for the receiving half of this end. What was sent still arrives.
    pub(super) fn end(&self) {
        // The other side may have ended it before.
        let _ended = self.0.shutdown(Shutdown::Both);
    }
}

impl Receiver {
    /// Waits for the next message; `None` where the link has ended, or is damaged and cannot be
    /// trusted any more.
    pub(super) fn receive<M: Message>(&mut self) -> Option<M> {
        let mut line = Vec::new();
        self.0.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).ok()?;
        M::parse(str::from_utf8(line.strip_suffix(b"\n")?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(pgid: i32) -> Group {
        Group::new(pgid).unwrap()
    }

    #[test]
    fn messages_arrive_as_they_were_sent() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut sender, _) = halves(ours).unwrap();
        let (_, mut receiver) = halves(theirs).unwrap();
        let messages = [
            ToListener::Started { group: group(i32::MAX), name: "x".repeat(64) },
            ToListener::Ended { group: group(2) },
            ToListener::Rotate,
            ToListener::Stop,
            ToListener::Hurry,
        ];
        sender.send(&messages).unwrap();
        for message in messages {
            assert_eq!(receiver.receive(), Some(message));
        }
        let max = u64::MAX;
        let report = StopReport {
            drained: max,
            dropped: max,
            missing: max,
            unconfirmed: max,
            left_lanes: max,
            log_failed: true,
        };
        for message in [ToSupervisor::Ready, ToSupervisor::Asked, ToSupervisor::Stopped(report)] {
            assert!(message.to_string().len() < MAX_LINE_BYTES as usize);
            assert_eq!(ToSupervisor::parse(&message.to_string()), Some(message));
        }
    }

    #[test]
    fn what_no_supervisor_says_ends_the_link() {
        let lines = [
            "",
            "stop ",
            " stop",
            "STOP",
            "ended",
            "ended 0",
            "ended 1",
            "ended -5",
            "ended +5",
            "ended 05",
            "ended 5 5",
            "ended 99999999999",
            "group 5",
            "group 5 a b",
            "group 5 a/b",
            "group 1 a",
            "group  5 a",
        ];
        for line in lines {
            assert_eq!(ToListener::parse(line), None, "{line:?}");
        }
        for line in
            ["ready now", "stopped 1 2 3 4 5", "stopped 1 2 3 4 -5 0", "stopped 1 2 3 4 5 2"]
        {
            assert_eq!(ToSupervisor::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_read_for_ever() {
        for bytes in [&b"stop"[..], &[b'x'; 4096], b"\xff\n"] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            let (_, mut receiver) = halves(theirs).unwrap();
            ours.write_all(bytes).unwrap();
            drop(ours);
            assert_eq!(receiver.receive::<ToListener>(), None);
        }
    }
}
