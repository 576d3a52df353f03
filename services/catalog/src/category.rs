//! Categories: groups of products.

use souk_kit::id::CategoryId;
use souk_kit::page::Row;
use time::OffsetDateTime;
use uuid::Uuid;

/// The list that category cursors belong to, and under which categories are counted.
pub const LIST: &str = "categories";

/// A category.
#[derive(Debug, Clone)]
pub struct Category {
    pub id: CategoryId,
    pub slug: String,
    pub name: String,
    pub description: String,
    /// The category right above it.
    pub parent: Option<CategoryId>,
    /// How many products are in it.
    pub products: i32,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl Row for Category {
    fn key(&self) -> Uuid {
        self.id.uuid()
    }

    fn bytes(&self) -> usize {
        self.slug.len() + self.name.len() + self.description.len() + 250
    }
}

/// A category to create.
#[derive(Debug)]
pub struct NewCategory {
    pub slug: String,
    pub name: String,
    pub description: String,
    pub parent: Option<CategoryId>,
}

/// Which categories a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    All,
    /// Those right below one, or at the top.
    Below(Option<CategoryId>),
}

impl Level {
    /// The list that cursors belong to.
    pub fn list(self) -> String {
        match self {
            Self::All => LIST.to_owned(),
            Self::Below(Some(parent)) => format!("{LIST}?parent_id={parent}"),
            Self::Below(None) => format!("{LIST}?parent_id=none"),
        }
    }
}

/// Where what a deleted category has goes: nobody has said, to another category, or to none.
pub type Destination = Option<Option<CategoryId>>;

/// Where the products of a deleted category go, and the categories right below it.
#[derive(Debug, Clone, Copy)]
pub struct Heirs {
    pub products: Destination,
    pub children: Destination,
}

impl Heirs {
    /// Products stay without it, and categories come to the top.
    pub const NONE: Self = Self { products: Some(None), children: Some(None) };

    /// The categories that anything goes to.
    pub fn categories(self) -> impl Iterator<Item = CategoryId> {
        [self.products, self.children].into_iter().flatten().flatten()
    }
}

/// What to change of a category; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub struct CategoryChange {
    pub slug: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    /// The category right above it, or none.
    pub parent: Option<Option<CategoryId>>,
}

/// A name for a category of which only the slug is known: `language/old-english` is “Old English”.
pub fn title(slug: &str) -> String {
    let last = slug.rsplit('/').next().unwrap_or(slug);
    let words = last.split('-').map(|word| {
        let mut letters = word.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn a_category_is_named_after_its_slug() {
        assert_eq!(title("language/old-english"), "Old English");
        assert_eq!(title("decade/2000s"), "2000s");
    }
}
