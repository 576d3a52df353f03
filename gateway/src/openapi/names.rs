//! Short names for what has long ones: `Product` for `souk.catalog.v1.Product`, as clients that are
//! generated from a document will call it.

use std::collections::{BTreeMap, HashMap};

/// Something that wants a short name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Named {
    /// Its package: `souk.catalog.v1`.
    pub package: String,
    /// What is between its package and its name, for those of other services or messages: `Shelf`.
    pub parent: String,
    /// The name that it has there.
    pub name: String,
}

impl Named {
    fn split(&self) -> (&str, &str) {
        split_version(&self.package)
    }
}

/// A package without its version, and the version: `souk.catalog` and `v1`.
pub(super) fn split_version(package: &str) -> (&str, &str) {
    match package.rsplit_once('.') {
        Some((base, version)) if is_version(version) => (base, version),
        _ => (package, ""),
    }
}

/// The newest of the versions of packages, where any has one.
pub(super) fn newest<'p>(packages: impl IntoIterator<Item = &'p &'p str>) -> Option<&'p str> {
    let versions = packages.into_iter().map(|package| split_version(package).1);
    versions.filter(|version| !version.is_empty()).max_by_key(|version| rank(version))
}

/// A short name for each, and no name twice. Where several would have the same, the newest version of a
/// package keeps it and the others say theirs (`ProductV1`); other packages say what they are
/// (`CatalogProduct`).
pub(super) fn shorten(all: impl IntoIterator<Item = Named>) -> HashMap<Named, String> {
    let mut names: HashMap<Named, String> =
        all.into_iter().map(|named| (named.clone(), named.name)).collect();
    // each step tells apart what the ones before it could not
    for distinguish in [versioned, in_parent, in_package, in_full] {
        for group in clashes(&names) {
            for named in &group {
                names.insert(named.clone(), distinguish(named, &names[named], &group));
            }
        }
    }
    names
}

/// Those that have the same name.
fn clashes(names: &HashMap<Named, String>) -> Vec<Vec<Named>> {
    let mut groups: BTreeMap<&str, Vec<Named>> = BTreeMap::new();
    for (named, name) in names {
        groups.entry(name).or_default().push(named.clone());
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

fn versioned(named: &Named, name: &str, group: &[Named]) -> String {
    let (base, version) = named.split();
    let is_of_base = |other: &&Named| other.split().0 == base && other.parent == named.parent;
    let newest = group.iter().filter(is_of_base).map(|other| rank(other.split().1)).max();
    let is_newest = newest == Some(rank(version));
    if is_newest { name.to_owned() } else { format!("{name}{}", capital(version)) }
}

fn in_parent(named: &Named, name: &str, _: &[Named]) -> String {
    format!("{}{}", named.parent, capital(name))
}

fn in_package(named: &Named, name: &str, _: &[Named]) -> String {
    let (base, _) = named.split();
    let last = base.rsplit('.').next().unwrap_or_default();
    format!("{}{}", capital(last), capital(name))
}

fn in_full(named: &Named, _: &str, _: &[Named]) -> String {
    let parts = [&*named.package, &*named.parent, &*named.name];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

/// `v1`, `v2beta1`.
fn is_version(text: &str) -> bool {
    let digits = text.strip_prefix('v').unwrap_or_default();
    digits.starts_with(|first: char| first.is_ascii_digit())
}

/// Orders versions: `v1alpha` < `v1beta1` < `v1` < `v2`.
fn rank(version: &str) -> (u32, bool, &str) {
    let text = version.strip_prefix('v').unwrap_or_default();
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, stage) = text.split_at(end);
    (number.parse().unwrap_or_default(), stage.is_empty(), stage)
}

pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(package: &str, parent: &str, name: &str) -> Named {
        let [package, parent, name] = [package, parent, name].map(str::to_owned);
        Named { package, parent, name }
    }

    fn short<const N: usize>(all: [(&str, &str, &str); N]) -> [String; N] {
        let all = all.map(|(package, parent, name)| named(package, parent, name));
        let names = shorten(all.clone());
        all.map(|named| names[&named].clone())
    }

    #[test]
    fn a_name_that_nothing_else_has_is_kept() {
        let all = [("souk.catalog.v1", "", "Product"), ("souk.orders.v1", "", "Order")];
        assert_eq!(short(all), ["Product", "Order"]);
    }

    #[test]
    fn the_newest_version_keeps_the_name() {
        let all = [
            ("souk.catalog.v1", "", "Product"),
            ("souk.catalog.v2", "", "Product"),
            ("souk.catalog.v2beta1", "", "Product"),
        ];
        assert_eq!(short(all), ["ProductV1", "Product", "ProductV2beta1"]);
    }

    #[test]
    fn others_say_where_they_are_from() {
        let all = [("a.shop.v1", "", "Item"), ("a.stock.v1", "", "Item"), ("b", "", "Item")];
        assert_eq!(short(all), ["ShopItem", "StockItem", "BItem"]);
        let all = [("a", "Book", "Kind"), ("a", "Shelf", "Kind")];
        assert_eq!(short(all), ["BookKind", "ShelfKind"]);
        let all = [("a.shop", "", "Item"), ("b.shop", "", "Item")];
        assert_eq!(short(all), ["a.shop.Item", "b.shop.Item"]);
    }
}
