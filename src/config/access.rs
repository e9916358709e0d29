use super::prove;
use super::table::Section;
use super::value::Value;
use crate::vocab::listen::Access;

/// Reads `socket_mode` and `socket_owner`: who may connect to the unix sockets of a service.
pub(super) fn read(section: &Section<'_>) -> Access {
    let usual = Access::default();
    let mode = octal(section, "socket_mode").unwrap_or(usual.mode);
    let owner = section.text("socket_owner").and_then(|(text, value)| owner(&text, &value));
    match owner {
        None => Access { mode, ..usual },
        Some((uid, gid)) => Access { mode, uid: Some(uid), gid },
    }
}

/// `user` or `user:group`, each by name or number.
fn owner(text: &str, value: &Value<'_>) -> Option<(u32, Option<u32>)> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let Some(found) = prove::login(user) else {
        value.add(
            format!("there is no user `{user}`"),
            "name a login of this machine, as in \"www-data:www-data\"",
        );
        return None;
    };
    let Some(name) = group else { return Some((found.uid.as_raw(), None)) };
    let Some(group) = prove::group(name) else {
        value.add(format!("there is no group `{name}`"), "name a group of this machine, or the user alone");
        return None;
    };
    Some((found.uid.as_raw(), Some(group.gid.as_raw())))
}

/// A mode or a mask of three octal digits.
pub(super) fn octal(section: &Section<'_>, key: &'static str) -> Option<u32> {
    octal_of(&section.value(key)?, &key.replace('_', " "))
}

/// The same of a value, which is one of what is said.
pub(super) fn octal_of(value: &Value<'_>, name: &str) -> Option<u32> {
    if value.is_integer() {
        return value.integer(0..0o1000).and_then(|mode| u32::try_from(mode).ok());
    }
    let text = value.text()?;
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if mode < 0o1000 => Some(mode),
        Ok(_) | Err(_) => {
            value.add(format!("`{text}` is not a {name}"), "write three octal digits: \"022\"");
            None
        }
    }
}
