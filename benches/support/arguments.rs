//! What was asked for on the command line: `cargo bench --bench orders -- hot`.

/// Whether a word was given.
pub fn has(word: &str) -> bool {
    std::env::args().any(|argument| argument == word)
}

/// Whether to measure this: all of it, or what has one of the words in its name.
pub fn select(work: &str) -> bool {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    words.is_empty() || words.iter().any(|word| work.contains(word.as_str()))
}
