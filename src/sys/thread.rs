use super::os;

/// From here on this thread gets what processor time others leave. A system that refuses leaves it as it is.
pub fn stand_back() {
    os::rest::stand_back();
}
