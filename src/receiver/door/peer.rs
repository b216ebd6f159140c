//! Who sends: as the kernel knows it, and the lane of its records.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::rate::Rate;
use super::{Door, DoorForm};
use crate::listener::InletLane;
use crate::receiver::{DecodeError, Received, json, pickle, syslog, wire};
use crate::{Field, Process, Record, Value};

/// Start times that are computed from floats differ by less than this for one process.
const SAME_START_NS: u64 = 1_000_000;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    /// A process of this machine.
    Process { id: u32, user: u32 },
    /// Some process that has a loopback address.
    Address(SocketAddr),
    /// Whoever writes to standard input.
    Stdin,
}

impl Identity {
    /// What records are said to be from that name no process.
    fn name(self) -> String {
        match self {
            Identity::Process { id, .. } => format!("pid-{id}"),
            Identity::Address(address) => address.to_string(),
            Identity::Stdin => "stdin".to_owned(),
        }
    }

    /// What is true of each record of the peer, beside what it claims.
    fn context(self) -> Arc<[Field<'static>]> {
        let field = |key: &'static str, value| Field { key: key.into(), value };
        match self {
            Identity::Process { id, user } => [
                field("peer_pid", Value::U64(id.into())),
                field("peer_uid", Value::U64(user.into())),
            ]
            .into(),
            Identity::Address(address) => {
                [field("peer_address", Value::Str(address.to_string().into()))].into()
            }
            Identity::Stdin => [field("peer", Value::Str("stdin".into()))].into(),
        }
    }

    fn process_id(self) -> u32 {
        match self {
            Identity::Process { id, .. } => id,
            Identity::Address(_) | Identity::Stdin => 0,
        }
    }
}

/// A peer with its lane.
pub(super) struct Peer {
    pub(super) lane: InletLane,
    pub(super) rate: Rate,
    pub(super) heard_at: Instant,
    identity: Identity,
    /// The process of records that name none.
    name: Arc<str>,
}

impl Peer {
    pub(super) fn new(identity: Identity, door: &Door, now: Instant) -> io::Result<Peer> {
        let name: Arc<str> = identity.name().into();
        let process = Process {
            name: Arc::clone(&name),
            id: identity.process_id(),
            context: identity.context(),
            ..Process::default()
        };
        let (lane, rate) = (InletLane::new(process)?, Rate::new(door.max_rate, now));
        Ok(Peer { lane, rate, heard_at: now, identity, name })
    }

    /// The record of what the peer says.
    pub(super) fn record(&mut self, mut received: Received<'_>, door: &Door) -> Record<'static> {
        self.note_process(&received);
        if let Some(logger) = &door.logger {
            let said = std::mem::replace(&mut received.logger, logger.clone().into());
            if !said.is_empty() && said != **logger {
                received.fields.push(Field { key: "logger".into(), value: Value::Str(said) });
            }
        }
        received.into_record(self.lane.process().clone()).into_owned()
    }

    /// Mostly it is the one that the last record was from.
    fn note_process(&mut self, received: &Received<'_>) {
        let known = self.lane.process();
        let id = received.process_id.unwrap_or_else(|| self.identity.process_id());
        let started_ns = received.started_ns.unwrap_or(0);
        let name = received.process_name.as_deref().unwrap_or(&self.name);
        let has_start = known.started_ns.abs_diff(started_ns) < SAME_START_NS;
        if *name == *known.name && has_start && known.id == id {
            return;
        }
        let name = name.into();
        let context = Arc::clone(&known.context);
        self.lane.set_process(Process { name, id, started_ns, context, ..Process::default() });
    }
}

/// Reads the bytes of one record. What it is read from instead, where they have to be mended first, is
/// put into `spare`.
pub(super) fn decode<'a>(
    form: DoorForm,
    bytes: &'a [u8],
    arrived_ns: i64,
    spare: &'a mut Vec<u8>,
) -> Result<Received<'a>, DecodeError> {
    match form {
        DoorForm::Python => pickle::decode(bytes, arrived_ns),
        DoorForm::Json => json::decode_lenient(bytes, arrived_ns, spare),
        DoorForm::Syslog => syslog::decode(bytes, arrived_ns),
        DoorForm::Wire => wire::decode(bytes, arrived_ns),
    }
}
