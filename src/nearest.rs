//! The known name that a misspelt one was meant to be.

/// The known name nearest to `name`, if one is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(k, name), k))
        .min()
        .filter(|(d, k)| *d <= 1 + k.len() / 3)
        .map(|(_, k)| k)
}
