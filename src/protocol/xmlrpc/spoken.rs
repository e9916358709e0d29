/// The version of supervisord whose protocol and words these are; clients ask for it to know what they may expect.
pub const SUPERVISORD: &str = "4.3.0";

/// The version of its methods.
pub const API: &str = "3.0";
