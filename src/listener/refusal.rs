//! Why the listener turns somebody away.

/// Why a peer or a batch was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    NoGreeting,
    Silent,
    OtherUser,
    OtherVersion,
    TooMany,
    NoDescriptors,
    Stopping,
    BadHello,
    UnknownLane,
    DamagedBatch,
}

impl Refusal {
    /// The reason, as `ctl status` and the refused peer read it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Refusal::NoGreeting => "no greeting of logboom",
            Refusal::Silent => "silent for too long",
            Refusal::OtherUser => "another user",
            Refusal::OtherVersion => "another protocol version",
            Refusal::TooMany => "too many attach at once, try again",
            Refusal::NoDescriptors => {
                "too many workers for the listener's limit of descriptors (ulimit -Hn): raise it"
            }
            Refusal::Stopping => "stopping",
            Refusal::BadHello => "no valid hello",
            Refusal::UnknownLane => "batch of an unknown lane",
            Refusal::DamagedBatch => "damaged batch",
        }
    }
}
