//! "Did you mean": the known word that an unknown one was probably meant to be.

/// Longest word that is compared; the comparison costs the product of both lengths.
const WORD_LENGTH_MAX: usize = 64;
/// Most known words that are compared.
const WORDS_MAX: usize = 1000;

/// The known word that `word` was probably meant to be: few letters differ, whatever their case.
pub fn closest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    if word.len() > WORD_LENGTH_MAX {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .into_iter()
        .filter(|name| name.len() <= WORD_LENGTH_MAX)
        .take(WORDS_MAX)
        .map(|name| (strsim::damerau_levenshtein(&name.to_lowercase(), &lower), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_seen_and_another_word_is_not() {
        let known = ["timeout", "send_batch_size", "send_batch_max_size"];
        assert_eq!(closest("Timeout", known), Some("timeout"));
        assert_eq!(closest("send_batch_sze", known), Some("send_batch_size"));
        assert_eq!(closest("elephant", known), None);
        assert_eq!(closest(&"t".repeat(1 << 20), known), None);
    }
}
