use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::name;
use crate::logs::pattern::Pattern;
use crate::logs::piece::PieceEnd;
use crate::logs::place::ends;
use crate::logs::query::{self, Item, Query, Source};
use crate::logs::reader::PIECE_BYTES;
use crate::logs::wanted::Wanted;
use crate::vocab::line_count::LineCount;
use crate::vocab::stream::Stream;

fn query(dir: &Path, files: &[(&str, &[u8])]) -> Query {
    let source = |(service, bytes): &(&str, &[u8])| {
        let file: PathBuf = dir.join(service);
        fs::write(&file, bytes).unwrap();
        Source { service: name(service), stream: Stream::Stdout, file }
    };
    Query {
        sources: files.iter().map(source).collect(),
        times: dir.join("times"),
        last: LineCount::All,
        since_ms: None,
        until_ms: None,
        pattern: None,
        wanted: Wanted::default(),
    }
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
    let found = read(&query);
    assert_eq!(found.len(), 1);
    assert!(found[0].0.ends_with(b"y"));
}
