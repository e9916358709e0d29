use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{all_lines, name};
use crate::logs::pattern::Pattern;
use crate::logs::piece::{PieceBegin, PieceEnd};
use crate::logs::place::ends;
use crate::logs::query::{self, Item, Query, Source};
use crate::logs::reader::PIECE_BYTES;
use crate::vocab::line_count::LineCount;
use crate::vocab::stream::Stream;

fn query(dir: &Path, files: &[(&str, &[u8])]) -> Query {
    let source = |(service, bytes): &(&str, &[u8])| {
        let file: PathBuf = dir.join(service);
        fs::write(&file, bytes).unwrap();
        Source { service: name(service), stream: Stream::Stdout, file }
    };
    all_lines(files.iter().map(source).collect(), dir.join("times"))
}

/// Whose pieces they are, their lengths, and how they end.
fn pieces(query: &Query) -> Vec<(String, usize, PieceEnd)> {
    let mut pieces = Vec::new();
    query::read(query, &ends(&query.sources, &query.times).unwrap(), Vec::new(), |item| {
        let Item::Line(line) = item else { panic!("{item:?}") };
        pieces.push((line.service.to_string(), line.bytes.len(), line.end));
        ControlFlow::Continue(())
    })
    .unwrap();
    pieces
}

#[test]
fn a_line_that_nothing_ends_goes_on_only_where_more_of_it_comes() {
    use PieceEnd::{GoesOn, Line, Open};
    let dir = tempfile::tempdir().unwrap();
    for (length, expected) in [
        (PIECE_BYTES - 1, vec![(PIECE_BYTES - 1, Open)]),
        (PIECE_BYTES, vec![(PIECE_BYTES, Open)]),
        (PIECE_BYTES + 1, vec![(PIECE_BYTES, GoesOn), (1, Open)]),
        (2 * PIECE_BYTES, vec![(PIECE_BYTES, GoesOn), (PIECE_BYTES, Open)]),
    ] {
        let long = vec![b'x'; length];
        let mut query = query(dir.path(), &[("a", &long), ("b", b"1\n2\n")]);
        let of_a = expected.into_iter().map(|(length, end)| ("a".to_owned(), length, end));
        let of_b = [("b".to_owned(), 1, Line), ("b".to_owned(), 1, Line)];
        let all: Vec<_> = of_a.chain(of_b).collect();
        assert_eq!(pieces(&query), all, "{length}");
        query.last = LineCount::Last(2);
        assert_eq!(pieces(&query), all[all.len() - 2..], "{length}");
        query.last = LineCount::Last(3);
        assert_eq!(pieces(&query), all, "{length}: its pieces are one line");
    }
}

#[test]
fn a_line_without_end_is_read_and_searched_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let long = [vec![b'x'; 3 << 20], b"needle".to_vec(), vec![b'y'; 100]].concat();
    let mut query = query(dir.path(), &[("a", &[b"first\n".as_slice(), &long].concat())]);
    let read = |query: &Query| {
        let mut pieces = Vec::new();
        query::read(query, &ends(&query.sources, &query.times).unwrap(), Vec::new(), |item| {
            let Item::Line(line) = item else { panic!("{item:?}") };
            pieces.push((line.bytes, line.end));
            ControlFlow::Continue(())
        })
        .unwrap();
        pieces
    };
    let pieces = read(&query);
    assert_eq!(pieces[0], (b"first".to_vec(), PieceEnd::Line));
    let (bytes, ends): (Vec<_>, Vec<_>) = pieces[1..].iter().cloned().unzip();
    assert!(bytes.len() > 1 && bytes.concat() == long);
    assert_eq!(ends.last(), Some(&PieceEnd::Open));
    assert!(ends[..ends.len() - 1].iter().all(|end| *end == PieceEnd::GoesOn));
    query.last = LineCount::Last(1);
    let last: Vec<Vec<u8>> = read(&query).into_iter().map(|(bytes, _)| bytes).collect();
    assert!(last.len() > 1 && last.concat() == long, "its pieces are one line");
    query.pattern = Some(Pattern::parse("needle").unwrap());
    let found: Vec<Vec<u8>> = read(&query).into_iter().map(|(bytes, _)| bytes).collect();
    assert!(found.concat() == long, "a line is found as a whole");
}

/// The lines that a search finds, each with its pieces.
fn found(query: &Query, pattern: &str, last: LineCount) -> Vec<Vec<u8>> {
    let query = Query { pattern: Some(Pattern::parse(pattern).unwrap()), last, ..query.clone() };
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut goes_on = false;
    query::read(&query, &ends(&query.sources, &query.times).unwrap(), Vec::new(), |item| {
        let Item::Line(line) = item else { panic!("{item:?}") };
        assert_eq!(line.begin == PieceBegin::Midst, goes_on, "{pattern}");
        match found.last_mut().filter(|_| goes_on) {
            Some(begun) => begun.extend(line.bytes),
            None => found.push(line.bytes),
        }
        goes_on = line.end == PieceEnd::GoesOn;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(!goes_on, "{pattern}");
    found
}

/// A short line before and behind it.
fn three_lines(long: &[u8]) -> [Vec<u8>; 3] {
    [b"first".to_vec(), long.to_vec(), b"xxlast".to_vec()]
}

fn check_search(long: &[u8], expected: &[(&str, &[usize])]) {
    let dir = tempfile::tempdir().unwrap();
    let lines = three_lines(long);
    let text = lines.iter().map(|line| [line, b"\n".as_slice()].concat()).collect::<Vec<_>>().concat();
    let plain = query(dir.path(), &[("a", &text)]);
    let pressed = query(dir.path(), &[("b", b"")]);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&text).unwrap();
    fs::write(dir.path().join("b.1.gz"), encoder.finish().unwrap()).unwrap();
    for query in [plain, pressed] {
        for (pattern, expected) in expected {
            let wanted: Vec<&Vec<u8>> = expected.iter().map(|at| &lines[*at]).collect();
            let all = found(&query, pattern, LineCount::All);
            assert!(
                all.iter().eq(wanted.iter().copied()),
                "{pattern} {:?}",
                all.iter().map(Vec::len).collect::<Vec<_>>()
            );
            for count in [1, 2] {
                let last = found(&query, pattern, LineCount::Last(count));
                assert!(
                    last.iter().eq(wanted[wanted.len().saturating_sub(count)..].iter().copied()),
                    "{pattern} {count}"
                );
            }
        }
    }
}

#[test]
fn a_search_takes_no_cut_between_pieces_for_the_begin_or_the_end_of_a_line() {
    let long = [b"0".as_slice(), &vec![b'x'; 3_000_000], b"yEND"].concat();
    check_search(
        &long,
        &[
            ("^xx", &[2]),
            ("\\Axx", &[2]),
            ("xx$", &[]),
            ("x\\z", &[]),
            ("x\\b", &[]),
            ("\\bx", &[2]),
            ("^0", &[1]),
            ("END$", &[1]),
            ("END", &[1]),
            ("^0x.*x", &[1]),
            ("x", &[1, 2]),
            ("", &[0, 1, 2]),
            ("nowhere", &[]),
        ],
    );
}

#[test]
fn a_short_match_is_found_wherever_a_long_line_is_cut() {
    for before in [1, 2, 3, 6, 7, 100, 60_000] {
        let head = vec![b'x'; PIECE_BYTES - before];
        let long = [&head, "needle".as_bytes(), &vec![b'y'; 2 * PIECE_BYTES]].concat();
        check_search(&long, &[("needle", &[1]), ("\\Bneedley", &[1]), ("x[needl]{6}y{9}", &[1])]);
        let wide = [&head, "\u{20ac}uro".as_bytes(), &vec![b'y'; 2 * PIECE_BYTES]].concat();
        check_search(&wide, &[("\u{20ac}uroy", &[1]), ("x.uroy", &[1])]);
    }
}

#[test]
fn of_a_line_of_any_length_the_last_lines_found_keep_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let long = vec![b'x'; 20 * PIECE_BYTES];
    let query = query(dir.path(), &[("a", &[&long, b"\nlast\n".as_slice()].concat())]);
    let query = Query { pattern: Some(Pattern::parse("x|last").unwrap()), last: LineCount::Last(2), ..query };
    let pieces: Vec<_> = pieces(&query).into_iter().map(|(_, length, end)| (length, end)).collect();
    let kept = [(PIECE_BYTES, PieceEnd::GoesOn); 16];
    assert_eq!(pieces, [kept.as_slice(), &[(4, PieceEnd::Line)]].concat());
}
