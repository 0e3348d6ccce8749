//! The known word nearest to an unknown one, for error messages.

/// The candidate with the fewest edits to `word`, if it is at most a third of the word away.
/// Words beyond 64 bytes are nobody's typing and get none, so that the work stays bounded.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (edits(word.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|&(edits, candidate)| edits <= word.len().max(candidate.len()) / 3)
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, case not counting.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_word_is_named_and_a_far_one_is_not() {
        let keys = ["all", "filters", "limit", "size"];
        for (word, found) in [
            ("filter", Some("filters")),
            ("LIMIT", Some("limit")),
            ("sise", Some("size")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), found, "{word}");
        }
        assert_eq!(nearest(&"filters".repeat(40), keys), None);
    }
}
