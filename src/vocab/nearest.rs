/// The known word that a misspelt one most likely stands for; none when nothing is near.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let distance = |known: &'k str| (strsim::damerau_levenshtein(word, known), known);
    let (distance, known) = known.into_iter().map(distance).min()?;
    (distance <= 1 + word.len() / 4).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_fingers_is_understood_and_another_word_is_not() {
        let known = ["api", "db_poller", "main_app"];
        for (word, expected) in
            [("aip", Some("api")), ("db_poler", Some("db_poller")), ("main", None), ("worker", None)]
        {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
        assert_eq!(nearest("api", []), None);
    }
}
