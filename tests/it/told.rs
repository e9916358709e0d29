//! What people are told of lines that are long, lost, removed or nowhere.

use procman::vocab::state::State;

use crate::harness::Fleet;

#[test]
fn a_last_line_of_any_length_leaves_room_for_the_rest_of_what_is_told() {
    // Of a line that is longer than what is read back, the end is told.
    for (length, told) in [(40_000, ": disk on fire xxx"), (100_000, "xxx or not")] {
        let line = format!("disk on fire {} or not", "x".repeat(length));
        let fleet = Fleet::new(&format!(
            "[services.a]\ncommand = \"{{puppet}} err '{line}' exit 3\"\nrestart = \"never\"\n"
        ));
        let up = fleet.run("up").expect(1);
        assert!(up.stderr.len() + up.stdout.len() < 4000, "{} bytes", up.stderr.len() + up.stdout.len());
        let reason = fleet.wait_for_state("a", State::Exited).reason.unwrap();
        assert!(reason.starts_with("exited with code 3") && reason.contains(told), "{reason}");
        assert!(reason.contains('…') && reason.len() < 600, "{reason}");
        for words in ["status", "why a"] {
            let said = fleet.run(words).stdout;
            assert!(said.contains(told) && said.len() < 3000, "{words}: {} bytes", said.len());
        }
    }
}
