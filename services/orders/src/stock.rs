//! What the catalog holds for an order, as far as the orders service knows.

/// Where the units of an order are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stock {
    /// Nobody has heard yet: they may be held, or not.
    Unknown,
    /// Held until the reservation ends.
    Held,
    /// Held for as long as it takes: money moves.
    Pinned,
    /// They have left with the order.
    Committed,
    /// They can be ordered by others.
    Back,
}

impl Stock {
    const ALL: [Self; 5] = [Self::Unknown, Self::Held, Self::Pinned, Self::Committed, Self::Back];

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Held => "held",
            Self::Pinned => "pinned",
            Self::Committed => "committed",
            Self::Back => "back",
        }
    }

    /// What a word of the database says. To ask the catalog again is always safe.
    pub fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|stock| stock.as_str() == word).unwrap_or(Self::Unknown)
    }
}
