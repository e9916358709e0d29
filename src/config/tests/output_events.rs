use super::{check_service, load_service};
use crate::spec::log::OutputEvents;

#[test]
fn streams_are_told_of_as_each_says() {
    let service = load_service(
        "command = \"sh\"\noutput_events = { stdout = { log = true }, stderr = { capture = \"2KiB\" } }",
    );
    assert_eq!(service.logs.stdout_events, OutputEvents { log: true, ..OutputEvents::default() });
    assert_eq!(service.logs.stderr_events, OutputEvents { capture_max: 2048, ..OutputEvents::default() });
}

#[test]
fn a_stream_that_cannot_be_told_of_is_refused() {
    let of = |more: &str, events: &str| format!("command = \"sh\"\n{more}\noutput_events = {{ {events} }}");
    let both = "stdout = { log = true }, stderr = { log = true }";
    check_service(
        &of("stderr = \"stdout\"", both),
        &[(4, &["a part of standard output", "say it of `stdout`"])],
    );
    check_service(
        &of("stdout = \"inherit\"", both),
        &[(4, &["as it is into a file", "let `stdout` be a file"])],
    );
    check_service(
        &of("log = { envelope = \"json\" }", "stderr = { log = true }"),
        &[(4, &["as it is into a file", "let `stderr` be a file"])],
    );
    check_service(
        &of("listener = { events = [\"TICK_5\"] }", both),
        &[(4, &["is for the supervisor alone", "say it of `stderr`"])],
    );
    check_service(&of("", "stdin = { log = true }"), &[(4, &["unknown key `stdin` in output_events"])]);
    check_service(&of("", "stdout = { capture = \"much\" }"), &[(4, &["much"])]);
}
