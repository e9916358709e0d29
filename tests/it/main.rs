//! The promises of procman, shown with the real binary and a puppet that obeys. One test binary, one file a topic.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod bad_input;
mod causes;
mod chaos;
mod corpus;
mod dependencies;
mod emergency;
mod faults;
mod flush;
mod guardian;
mod hangs;
mod harness;
mod health;
mod hold;
mod hooks;
mod import;
mod init;
mod lifecycle;
mod limits;
mod logging;
mod ports;
mod preflight;
mod restart;
mod rolling;
mod rotation;
mod rpc;
mod servers;
mod shims;
mod soak;
mod socket;
mod supervisord;
mod trees;
mod upgrade;
mod upkeep;
