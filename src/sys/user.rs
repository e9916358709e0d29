use nix::unistd::{Uid, User, geteuid};

/// The user whose rights this process has (geteuid(2)).
pub fn effective() -> u32 {
    geteuid().as_raw()
}

/// The login name of a user; the number as text when the system knows none.
pub fn name(uid: u32) -> String {
    let known = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    known.map_or_else(|| uid.to_string(), |user| user.name)
}
