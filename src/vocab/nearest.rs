/// The known word that a misspelt one most likely stands for; none when nothing is near.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    /// A beginning that is shorter than this says nothing.
    const BEGINNING_MIN: usize = 3;
    let known: Vec<&'k str> = known.into_iter().collect();
    let distance = |known: &&'k str| (strsim::damerau_levenshtein(word, known), *known);
    let (distance, near) = known.iter().map(distance).min()?;
    let mut longer = known.iter().filter(|it| word.len() >= BEGINNING_MIN && it.starts_with(word));
    match (distance <= 1 + word.len() / 4, longer.next(), longer.next()) {
        (true, _, _) => Some(near),
        (false, Some(only), None) => Some(only),
        (false, _, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_fingers_is_understood_and_another_word_is_not() {
        let known = ["api", "db_poller", "main_app"];
        for (word, expected) in [
            ("aip", Some("api")),
            ("db_poler", Some("db_poller")),
            ("main", Some("main_app")),
            ("worker", None),
            ("ma", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
        assert_eq!(nearest("api", []), None);
    }
}
