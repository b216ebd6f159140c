//! A door for datagrams: each is one record. Who sends is remembered for a while, so that the records
//! of one peer have a lane.

use std::collections::HashMap;
use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, UnixCredentials, recvmsg};

use super::connection::reason;
use super::peer::{Identity, Peer, decode};
use super::streams::OTHER_USER;
use super::waiting::{TICK, readable};
use super::{Door, DoorForm};
use crate::listener::Inlet;
use crate::receiver::{DecodeError, Received, frame};
use crate::record::now_ns;

/// Most datagrams that are taken before the door looks around.
const MAX_DATAGRAMS: usize = 256;

/// Most peers that are remembered; of more, the half that was heard last.
const MAX_PEERS: usize = 4096;

/// A stopping door takes no more than this: what is left of those who go on sending is theirs.
const MAX_LAST_DATAGRAMS: usize = 65_536;

const NO_SENDER: &str = "no sender: send from a socket of this machine";
const DESCRIPTORS: &str = "descriptors came with it: send nothing but the record";

/// An open door for datagrams.
pub(super) struct Datagrams<'d> {
    door: &'d Door,
    inlet: &'d Inlet,
    socket: OwnedFd,
    peers: HashMap<Identity, Peer>,
    buffer: Vec<u8>,
}

/// What came in the buffer.
struct Datagram {
    length: usize,
    is_cut: bool,
    has_descriptors: bool,
    sender: Option<Identity>,
    overflowed: Option<u32>,
}

impl<'d> Datagrams<'d> {
    pub(super) fn new(door: &'d Door, inlet: &'d Inlet, socket: OwnedFd) -> Datagrams<'d> {
        // One byte more than it may have, and the head of a frame.
        let buffer = vec![0; door.max_frame_bytes + 5];
        Datagrams { door, inlet, socket, peers: HashMap::new(), buffer }
    }

    /// Serves until the listener stops.
    pub(super) fn run(mut self) {
        while !self.inlet.is_closing() {
            let [has_datagram, is_woken] = readable([self.socket.as_fd(), self.inlet.wake()], TICK);
            if is_woken {
                self.inlet.clear_wake();
            }
            if has_datagram {
                (0..MAX_DATAGRAMS).take_while(|_| self.receive(|inlet| inlet.has_room())).count();
            }
            if is_woken || !has_datagram {
                self.tell_drops();
            }
        }
        (0..MAX_LAST_DATAGRAMS).take_while(|_| self.receive(Inlet::wait_for_last_room)).count();
        self.tell_drops();
        self.inlet.counts().set_peers(0);
    }

    /// Takes one datagram; whether there was one.
    fn receive(&mut self, has_room: impl Fn(&Inlet) -> bool) -> bool {
        let Some(datagram) = self.read() else { return false };
        if let Some(overflowed) = datagram.overflowed {
            self.inlet.counts().set_overflowed(overflowed.into());
        }
        let counts = self.inlet.counts();
        if datagram.has_descriptors {
            counts.refuse(DESCRIPTORS);
            return true;
        }
        let Some(sender) = datagram.sender else {
            counts.refuse(NO_SENDER);
            return true;
        };
        if !self.door.admits(sender) {
            counts.refuse(OTHER_USER);
            return true;
        }
        let buffer = std::mem::take(&mut self.buffer);
        let mut spare = Vec::new();
        match self.decode(&buffer[..datagram.length], datagram.is_cut, &mut spare) {
            Ok(received) => self.take(sender, received, has_room),
            Err(error) => counts.refuse(&reason(error, self.door)),
        }
        self.buffer = buffer;
        true
    }

    fn read(&mut self) -> Option<Datagram> {
        // Room for what the kernel says, credentials or a count, and not for descriptors behind it: it
        // would open them here, and nobody would close them.
        let mut control = cmsg_space!(UnixCredentials);
        let mut parts = [IoSliceMut::new(&mut self.buffer)];
        let (socket, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let message =
            recvmsg::<SockaddrStorage>(socket, &mut parts, Some(&mut control), flags).ok()?;
        let mut sender = message.address.as_ref().and_then(address).map(Identity::Address);
        let mut overflowed = None;
        for part in message.cmsgs().into_iter().flatten() {
            match part {
                ControlMessageOwned::ScmCredentials(peer) => {
                    let id = u32::try_from(peer.pid()).unwrap_or(0);
                    sender = Some(Identity::Process { id, user: peer.uid() });
                }
                ControlMessageOwned::RxqOvfl(datagrams) => overflowed = Some(datagrams),
                _ => {}
            }
        }
        let has_flag = |flag| message.flags.contains(flag);
        Some(Datagram {
            length: message.bytes,
            is_cut: has_flag(MsgFlags::MSG_TRUNC),
            has_descriptors: has_flag(MsgFlags::MSG_CTRUNC),
            sender,
            overflowed,
        })
    }

    fn decode<'b>(
        &self,
        bytes: &'b [u8],
        is_cut: bool,
        spare: &'b mut Vec<u8>,
    ) -> Result<Received<'b>, DecodeError> {
        let content = match self.door.form {
            DoorForm::Python | DoorForm::Wire if !is_cut => frame::only(bytes)?,
            _ => bytes,
        };
        if is_cut || content.len() > self.door.max_frame_bytes {
            return Err(DecodeError::TooLong);
        }
        decode(self.door.form, content, now_ns(), spare)
    }

    fn take(
        &mut self,
        sender: Identity,
        received: Received<'_>,
        has_room: impl Fn(&Inlet) -> bool,
    ) {
        let (door, inlet, now) = (self.door, self.inlet, Instant::now());
        let Some(peer) = self.peer(sender, now) else { return inlet.counts().refuse(NO_SENDER) };
        peer.heard_at = now;
        if peer.rate.exceeds(now) || !has_room(inlet) {
            peer.lane.drop_record(received.level, received.time_ns);
            inlet.counts().add_dropped();
            return;
        }
        let record = peer.record(received, door);
        inlet.push(&mut peer.lane, vec![record]);
    }

    fn peer(&mut self, sender: Identity, now: Instant) -> Option<&mut Peer> {
        if !self.peers.contains_key(&sender) {
            if self.peers.len() >= MAX_PEERS {
                self.forget_half();
            }
            self.peers.insert(sender, Peer::new(sender, self.door, now).ok()?);
            self.inlet.counts().set_peers(self.peers.len());
        }
        self.peers.get_mut(&sender)
    }

    fn forget_half(&mut self) {
        self.tell_drops();
        let mut times: Vec<_> = self.peers.values().map(|peer| peer.heard_at).collect();
        let (_, median, _) = times.select_nth_unstable(MAX_PEERS / 2);
        let median = *median;
        let mut left = MAX_PEERS / 2;
        // Where many were heard at one instant, no more than half stay either.
        self.peers.retain(|_, peer| {
            let stays = peer.heard_at > median && left > 0;
            left -= usize::from(stays);
            stays
        });
    }

    /// Says in the log what was dropped of peers that may send nothing more.
    fn tell_drops(&mut self) {
        for peer in self.peers.values_mut().filter(|peer| peer.lane.has_drops()) {
            self.inlet.push(&mut peer.lane, Vec::new());
        }
    }
}

fn address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let of_v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    of_v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}

#[cfg(test)]
mod tests {
    use std::io::{IoSlice, pipe};
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    use nix::sys::socket::{ControlMessage, sendmsg, setsockopt, sockopt};

    use super::*;
    use crate::receiver::DoorPlace;

    #[test]
    fn of_many_senders_the_half_that_was_heard_last_is_remembered() {
        let door = Door::new(DoorForm::Syslog, DoorPlace::Datagram("/x".into())).unwrap();
        let (socket, _) = UnixDatagram::pair().unwrap();
        let inlet = Inlet::alone();
        let mut datagrams = Datagrams::new(&door, &inlet, socket.into());
        let begin = Instant::now();
        let sender = |id: usize| Identity::Process { id: id as u32, user: 0 };
        for id in 0..=MAX_PEERS {
            let at = begin + Duration::from_millis(id as u64);
            datagrams.peer(sender(id), at).unwrap();
        }
        assert!(datagrams.peers.len() <= MAX_PEERS / 2 + 1);
        let is_known = |id| datagrams.peers.contains_key(&sender(id));
        assert!(is_known(MAX_PEERS) && is_known(MAX_PEERS - 1) && !is_known(0));
    }

    #[test]
    fn descriptors_that_come_with_a_datagram_are_not_opened() {
        let door = Door::new(DoorForm::Syslog, DoorPlace::Datagram("/x".into())).unwrap();
        let (sender, socket) = UnixDatagram::pair().unwrap();
        setsockopt(&socket, sockopt::PassCred, &true).unwrap();
        let inlet = Inlet::alone();
        let mut datagrams = Datagrams::new(&door, &inlet, socket.into());
        for count in [1, 2, 50] {
            let (reader, writer) = pipe().unwrap();
            let sent = vec![writer.as_raw_fd(); count];
            let (text, rights) = ([IoSlice::new(b"<13>hi")], [ControlMessage::ScmRights(&sent)]);
            sendmsg::<()>(sender.as_raw_fd(), &text, &rights, MsgFlags::empty(), None).unwrap();
            drop(writer);
            assert!(datagrams.receive(|_| true));
            let [has_ended] = readable([reader.as_fd()], Duration::ZERO);
            assert!(has_ended, "a copy of the other end is open");
        }
        assert_eq!(inlet.counts().status().refused, [(DESCRIPTORS.to_owned(), 3)]);
        sender.send(b"<13>hi").unwrap();
        assert!(datagrams.receive(|_| true));
        assert_eq!(inlet.counts().status().records, 1);
    }
}
