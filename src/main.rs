//! The `procman` command. Everything is in the library.

fn main() {}
