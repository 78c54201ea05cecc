//! Phrases that several descriptions share: lists, and counts with their noun.

/// Facts as a list, or `none` if there are no facts.
pub fn list(facts: &[String], none: &str) -> String {
    if facts.is_empty() {
        none.to_owned()
    } else {
        facts.join("; ")
    }
}

/// A count with its noun in the singular or the plural.
pub fn counted(count: impl Into<u64>, one: &str) -> String {
    let count = count.into();
    let end = match (count, one.ends_with('y')) {
        (1, _) => return format!("1 {one}"),
        (_, true) => return format!("{count} {}ies", &one[..one.len() - 1]),
        (_, false) => "s",
    };
    format!("{count} {one}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree_with_their_nouns() {
        assert_eq!(counted(1_u64, "inquiry"), "1 inquiry");
        assert_eq!(counted(3_u64, "inquiry"), "3 inquiries");
        assert_eq!(counted(2_u64, "call"), "2 calls");
    }
}
