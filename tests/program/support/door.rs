//! Doors of a listener, as its status shows them.

use std::net::SocketAddr;

use logboom::control::DoorStatus;

use super::{Place, wait_for, wait_until};

impl Place {
    /// The door whose name begins so.
    pub fn door(&self, name: &str) -> DoorStatus {
        let doors = self.status().doors;
        let found = doors.iter().find(|door| door.name.starts_with(name)).cloned();
        found.unwrap_or_else(|| panic!("no door {name}: {doors:?}"))
    }

    /// Where a door by TCP or UDP is.
    pub fn address(&self, name: &str) -> SocketAddr {
        let door = self.door(name);
        door.name.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Waits until a door has had so many records.
    pub fn wait_for_records(&self, door: &str, records: u64) {
        wait_until(&format!("{records} records by {door}"), || {
            let status = self.door(door);
            assert!(status.records <= records, "{status:?}");
            status.records == records
        });
    }

    /// Waits until a door has refused so many for a reason that begins so.
    pub fn wait_for_refused(&self, door: &str, reason: &str, count: u64) {
        wait_for(&format!("{count} times {reason}"), || {
            let refused = self.door(door).refused;
            let found = refused.iter().find(|(why, _)| why.starts_with(reason));
            found.filter(|(_, times)| *times >= count).map(drop)
        });
    }
}
