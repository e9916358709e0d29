use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use super::{Rig, name, wait_until};
use crate::logs::pump::Destination;
use crate::spec::log::{Making, Rotation};

#[test]
fn a_file_that_is_made_with_a_run_is_there_before_its_first_bytes_and_keeps_its_mode() {
    let rig = Rig::new();
    let file = |name: &str| rig.path("logs").join(name);
    let mode = |name: &str| fs::metadata(file(name)).map(|found| found.permissions().mode() & 0o777).ok();
    let rotation = Rotation { size_max: 8, ..Rotation::default() };
    // No bit that a umask takes away.
    let making = Making::WithRun(0o600);
    rig.attach_to("a", Destination { making, ..Destination::file(file("a"), rotation) });
    rig.attach_to("b", Destination::file(file("b"), rotation));
    rig.drain("a");
    assert_eq!(mode("a"), None, "no run has begun");
    rig.pump.begin_run(name("a"));
    rig.pump.begin_run(name("b"));
    wait_until(|| mode("a") == Some(0o600));
    rig.drain("b");
    assert_eq!((mode("b"), fs::metadata(file("a")).unwrap().len()), (None, 0));
    let mut writer = rig.writer("a");
    writer.write_all(b"first\nsecond\nthird\n").unwrap();
    rig.drain("a");
    assert_eq!(fs::read(file("a.2")).unwrap(), b"first\n");
    assert_eq!(["a.1", "a.2"].map(mode), [Some(0o600); 2]);
}
