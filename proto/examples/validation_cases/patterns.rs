//! Texts around a pattern: some that match it, and their closest neighbours.

use regex_syntax::hir::{Class, Hir, HirKind};

/// How often an unbounded repetition is repeated at most.
const MANY: u32 = 3;
/// How many places of a text are changed, at its start.
const PLACES: usize = 8;

/// Texts that match.
pub fn matching(pattern: &str) -> Vec<String> {
    let hir = parse(pattern);
    let mut texts: Vec<String> =
        [Choice::First, Choice::Last].iter().map(|choice| text(&hir, choice)).collect();
    texts.dedup();
    texts
}

/// Texts that match and texts that nearly do: shorter, longer, and with characters at and beyond
/// both ends of every range that the pattern has.
pub fn around(pattern: &str) -> Vec<String> {
    let mut edges = vec![' ', '\n', '-', '/', 'A', 'é', '\u{a0}'];
    collect_edges(&parse(pattern), &mut edges);
    edges.sort_unstable();
    edges.dedup();

    let mut texts: Vec<String> = edges.iter().map(char::to_string).collect();
    for text in matching(pattern) {
        let chars: Vec<char> = text.chars().collect();
        let last = chars.len().saturating_sub(1);
        for place in (0..chars.len()).filter(|place| *place < PLACES || *place == last) {
            let (before, after) = (&chars[..place], &chars[place + 1..]);
            texts.push(before.iter().chain(after).collect());
            texts.push(before.iter().chain(&chars[place..=place]).chain(&chars[place..]).collect());
            let changed = edges.iter().map(|edge| before.iter().chain([edge]).chain(after));
            texts.extend(changed.map(Iterator::collect::<String>));
        }
        texts.extend(edges.iter().map(|edge| format!("{text}{edge}")));
        texts.push(text.to_uppercase());
        texts.push(text);
    }
    texts
}

enum Choice {
    First,
    Last,
}

fn parse(pattern: &str) -> Hir {
    regex_syntax::parse(pattern).unwrap_or_else(|error| panic!("{error}"))
}

fn text(hir: &Hir, choice: &Choice) -> String {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => String::new(),
        HirKind::Literal(literal) => String::from_utf8_lossy(&literal.0).into_owned(),
        HirKind::Class(class) => {
            let ranges = ranges(class);
            let chosen = match choice {
                // not a control character, where the class has others
                Choice::First => ranges.iter().map(|range| range.1).find(|end| *end >= ' '),
                Choice::Last => ranges.last().map(|range| range.1),
            };
            chosen.map(String::from).unwrap_or_default()
        }
        HirKind::Repetition(repetition) => {
            let times = match choice {
                Choice::First => repetition.min,
                Choice::Last => repetition.max.unwrap_or(repetition.min + MANY),
            };
            text(&repetition.sub, choice).repeat(usize::try_from(times).unwrap_or_default())
        }
        HirKind::Capture(capture) => text(&capture.sub, choice),
        HirKind::Concat(parts) => parts.iter().map(|part| text(part, choice)).collect(),
        HirKind::Alternation(parts) => {
            let chosen = match choice {
                Choice::First => parts.first(),
                Choice::Last => parts.last(),
            };
            chosen.map(|part| text(part, choice)).unwrap_or_default()
        }
    }
}

/// The ends of every range, and what lies just beyond.
fn collect_edges(hir: &Hir, edges: &mut Vec<char>) {
    match hir.kind() {
        HirKind::Class(class) => {
            for (start, end) in ranges(class) {
                let beyond = [u32::from(start).checked_sub(1), u32::from(end).checked_add(1)];
                edges.extend([start, end]);
                edges.extend(beyond.into_iter().flatten().filter_map(char::from_u32));
            }
        }
        HirKind::Repetition(repetition) => collect_edges(&repetition.sub, edges),
        HirKind::Capture(capture) => collect_edges(&capture.sub, edges),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| collect_edges(part, edges));
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) => {}
    }
}

fn ranges(class: &Class) -> Vec<(char, char)> {
    match class {
        Class::Unicode(class) => class.iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => {
            class.iter().map(|range| (range.start().into(), range.end().into())).collect()
        }
    }
}
