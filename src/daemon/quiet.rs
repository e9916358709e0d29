use std::time::Duration;

use super::engine::Engine;
use super::mailbox::Message;
use crate::sys::{clock, memory};
use crate::vocab::moment::Moment;

/// So long after its last use, memory is given back.
const QUIET: Duration = Duration::from_millis(500);

/// When memory that is used at this moment is given back.
pub(super) fn quiet_after(now: Moment) -> Moment {
    now.after(QUIET)
}

impl Engine {
    /// What clients and starts make the supervisor map is given back a while after the last of them; looks at services,
    /// which never end, are no reason to do so again and again.
    pub(super) fn note_use(&mut self, message: &Message) {
        if !message.is_of_a_look() {
            self.busy_until = Some(quiet_after(clock::now()));
        }
    }

    /// Gives memory back to the system.
    pub(super) fn give_back(&mut self) {
        self.seen = None;
        memory::let_go_of_unused();
        self.busy_until = None;
    }
}
