use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::pidfd::unsupported;
use crate::sys::notify::Notice;

/// LOCAL_PEERCRED of unix(4) is for connected streams.
pub(in crate::sys) fn ask_for_senders(_socket: &impl AsFd) -> io::Result<()> {
    Err(unsupported("call that tells who sent a datagram"))
}

pub(in crate::sys) fn receive(_socket: &impl AsRawFd) -> io::Result<Option<Notice>> {
    Err(unsupported("call that tells who sent a datagram"))
}
