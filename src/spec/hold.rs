use crate::vocab::listen::{Access, ListenAddress};

/// Listening sockets that the supervisor opens for a service and keeps from run to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// How a run is given them.
    pub way: Way,
    /// Where they listen, in the order in which they are handed over; at least one, and each once.
    pub addresses: Vec<ListenAddress>,
    /// Who may connect to those that are unix sockets.
    pub access: Access,
    /// How many connections may wait in each until a run accepts them; none for as many as the system lets.
    pub backlog: Option<u16>,
}

/// How a run is given the sockets that are held for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From descriptor 3 on, announced by LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES (sd_listen_fds(3)).
    ListenFds,
    /// As standard input; there is one socket.
    Stdin,
    /// From descriptor 3 on, where a shim finds them that answers an unmodified Python program's `bind`.
    Python,
}

/// The first descriptor of those that are handed over after standard error (SD_LISTEN_FDS_START of sd_listen_fds(3)).
pub const FIRST_DESCRIPTOR: i32 = 3;

impl Hold {
    /// The first descriptor that shows that a process took a socket, and was not merely given it: an inherited one tells
    /// that a program listens in those ways in which it has nothing else to do for it, but the shim makes another of it
    /// when the program binds.
    pub fn first_taken(&self) -> i32 {
        match self.way {
            Way::ListenFds | Way::Stdin => 0,
            Way::Python => FIRST_DESCRIPTOR + i32::try_from(self.addresses.len()).unwrap_or(i32::MAX / 2),
        }
    }
}
