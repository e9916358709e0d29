use nix::unistd::{Gid, Group, Uid, User};

use super::model::Owner;
use super::python::{int, strip};
use super::reader::{Reader, Trust};

/// A user by name or number who has to be there, or why there is none.
pub(super) fn prove(reader: &Reader<'_>, name: &str) -> Result<(), String> {
    match (reader.ground.trust, int(name)) {
        (Trust::AsItStands, _) => Ok(()),
        (Trust::Looked, Ok(number)) => {
            let found =
                u32::try_from(number).ok().and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok().flatten());
            found.map(|_| ()).ok_or_else(|| format!("Invalid user id {name}"))
        }
        (Trust::Looked, Err(_)) => {
            let found = User::from_name(name).ok().flatten();
            found.map(|_| ()).ok_or_else(|| format!("Invalid user name {name}"))
        }
    }
}

/// `user` or `user:group`, who have to be there; none if one of them is not.
pub(super) fn owner(reader: &Reader<'_>, text: &str) -> Option<(Owner, Owner)> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    prove(reader, user).ok()?;
    if let (Some(group), Trust::Looked) = (group, reader.ground.trust) {
        let number = int(group).ok().and_then(|number| u32::try_from(number).ok());
        let found = match number {
            Some(gid) => Group::from_gid(Gid::from_raw(gid)),
            None => Group::from_name(group),
        };
        found.ok().flatten()?;
    }
    let named = |name: &str| Owner::Named(strip(name).to_owned());
    Some((named(user), group.map_or(Owner::Unsaid(-1), named)))
}
