use std::fs;

use super::name;
use crate::logs::end::ends;
use crate::logs::envelope::OpenLines;
use crate::logs::follow::Follower;
use crate::logs::query::Source;
use crate::vocab::stream::Stream;

/// What a follower says in three looks at a line that begins before the first and ends before the last of them, a second and more later.
fn told(open_lines: OpenLines) -> Vec<Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.log");
    fs::write(&file, "").unwrap();
    let sources = vec![Source { service: name("a"), stream: Stream::Stdout, file: file.clone() }];
    let ends = ends(&sources);
    let mut follower = Follower::new(sources, &ends, open_lines);
    let writes = [(1_000, "con"), (2_000, ""), (2_500, "nected\n")];
    let looks = writes.iter().map(|(unix_ms, text)| {
        let so_far = fs::read_to_string(&file).unwrap();
        fs::write(&file, so_far + text).unwrap();
        let lines = follower.look(*unix_ms).unwrap().into_iter();
        lines.map(|fresh| String::from_utf8(fresh.line.bytes).unwrap()).collect()
    });
    looks.collect()
}

#[test]
fn a_line_whose_end_is_late_is_shown_as_it_comes_and_searched_as_a_whole() {
    let nothing = Vec::<String>::new;
    assert_eq!(told(OpenLines::Flushed), [nothing(), vec!["con".to_owned()], vec!["nected".to_owned()]]);
    assert_eq!(told(OpenLines::Awaited), [nothing(), nothing(), vec!["connected".to_owned()]]);
}
