//! Patterns. Contracts state them in the syntax of RE2, JSON Schema in that of ECMA-262, and what reads
//! a document may know less than either: so they are written with nothing but what all have.

use std::fmt::Write as _;

use regex_syntax::Parser;
use regex_syntax::ast::{self, Ast, ClassPerlKind, ClassSetItem};
use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look, Repetition};

/// What is drawn from where any letter or digit does: the most common is an id.
const LETTERS: &str = "01h455vb4pex5vsknk084sn02q";

/// A sample goes on for no longer than this many bytes, whatever the pattern asks for.
const MAX_LENGTH: u32 = 10_000;

/// What needs a backslash; anything else must not have one.
const SPECIAL: &str = r"^$\.*+?()[]{}|";
const SPECIAL_IN_CLASS: &str = r"^\[]-";

/// A pattern of RE2 in ECMA-262; `None` when it cannot be said there.
pub(super) fn to_ecma(pattern: &str) -> Option<String> {
    let mut out = String::new();
    write(&parse(pattern)?, &mut out)?;
    Some(out)
}

/// Whether the pattern takes the empty string.
pub(super) fn takes_nothing(pattern: &str) -> bool {
    parse(pattern).is_none_or(|hir| hir.properties().minimum_len() == Some(0))
}

/// Text that the pattern takes: as short as it may be, but not empty where it need not.
pub(super) fn sample(pattern: &str) -> Option<String> {
    let mut sample = Sample { letters: LETTERS.chars().cycle(), text: String::new() };
    sample.draw(&parse(pattern)?);
    Some(sample.text)
}

fn parse(pattern: &str) -> Option<Hir> {
    Parser::new().parse(&with_ascii_classes(pattern)?).ok()
}

/// RE2 knows ASCII only where it reads `\d`, `\s` and `\w`.
fn with_ascii_classes(pattern: &str) -> Option<String> {
    let ast = ast::parse::Parser::new().parse(pattern).ok()?;
    let found = ast::visit(&ast, PerlClasses::default()).unwrap_or_default();
    let mut out = String::new();
    let mut end = 0;
    for class in found {
        let negation = if class.negated { "^" } else { "" };
        let content = match class.kind {
            ClassPerlKind::Digit => "0-9",
            ClassPerlKind::Space => r"\t\n\f\r ",
            ClassPerlKind::Word => "0-9A-Za-z_",
        };
        out.push_str(&pattern[end..class.span.start.offset]);
        let _ = write!(out, "[{negation}{content}]");
        end = class.span.end.offset;
    }
    out.push_str(&pattern[end..]);
    Some(out)
}

#[derive(Default)]
struct PerlClasses(Vec<ast::ClassPerl>);

impl ast::Visitor for PerlClasses {
    type Output = Vec<ast::ClassPerl>;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<Self::Output, Self::Err> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Self::Err> {
        if let Ast::ClassPerl(class) = ast {
            self.0.push((**class).clone());
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Self::Err> {
        if let ClassSetItem::Perl(class) = item {
            self.0.push(class.clone());
        }
        Ok(())
    }
}

fn write(hir: &Hir, out: &mut String) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            text.chars().for_each(|char| escape(char, SPECIAL, out));
        }
        HirKind::Class(class) => write_class(&as_unicode(class)?, out),
        HirKind::Look(look) => out.push_str(match look {
            Look::Start => "^",
            Look::End => "$",
            Look::WordAscii | Look::WordUnicode => r"\b",
            Look::WordAsciiNegate | Look::WordUnicodeNegate => r"\B",
            _ => return None,
        }),
        HirKind::Repetition(repetition) => {
            let is_one = match repetition.sub.kind() {
                HirKind::Class(_) | HirKind::Capture(_) => true,
                HirKind::Literal(literal) => literal.0.len() == 1,
                _ => false,
            };
            write_group(&repetition.sub, !is_one, out)?;
            write_counts(repetition, out);
        }
        HirKind::Capture(capture) => {
            out.push('(');
            write(&capture.sub, out)?;
            out.push(')');
        }
        HirKind::Concat(parts) => {
            for part in parts {
                write_group(part, matches!(part.kind(), HirKind::Alternation(_)), out)?;
            }
        }
        HirKind::Alternation(alternatives) => {
            for (index, alternative) in alternatives.iter().enumerate() {
                if index > 0 {
                    out.push('|');
                }
                write(alternative, out)?;
            }
        }
    }
    Some(())
}

fn write_group(hir: &Hir, is_group: bool, out: &mut String) -> Option<()> {
    if !is_group {
        return write(hir, out);
    }
    out.push_str("(?:");
    write(hir, out)?;
    out.push(')');
    Some(())
}

fn write_counts(repetition: &Repetition, out: &mut String) {
    let _ = match (repetition.min, repetition.max) {
        (0, Some(1)) => write!(out, "?"),
        (0, None) => write!(out, "*"),
        (1, None) => write!(out, "+"),
        (min, Some(max)) if min == max => write!(out, "{{{min}}}"),
        (min, Some(max)) => write!(out, "{{{min},{max}}}"),
        (min, None) => write!(out, "{{{min},}}"),
    };
    if !repetition.greedy {
        out.push('?');
    }
}

fn as_unicode(class: &Class) -> Option<ClassUnicode> {
    match class {
        Class::Unicode(class) => Some(class.clone()),
        Class::Bytes(class) => class.to_unicode_class(),
    }
}

/// One that goes up to the last character is shorter as what it leaves out.
fn write_class(class: &ClassUnicode, out: &mut String) {
    let is_open = class.ranges().last().is_some_and(|last| last.end() == char::MAX);
    let mut listed = class.clone();
    if is_open {
        listed.negate();
    }
    if is_open && listed.ranges().is_empty() {
        out.push_str(r"[\s\S]");
        return;
    }
    out.push_str(if is_open { "[^" } else { "[" });
    for range in listed.ranges() {
        let (start, end) = (range.start(), range.end());
        escape(start, SPECIAL_IN_CLASS, out);
        if u32::from(end) > u32::from(start) + 1 {
            out.push('-');
        }
        if end > start {
            escape(end, SPECIAL_IN_CLASS, out);
        }
    }
    out.push(']');
}

fn escape(char: char, special: &str, out: &mut String) {
    let _ = match char {
        _ if special.contains(char) => write!(out, "\\{char}"),
        '\t' => write!(out, r"\t"),
        '\n' => write!(out, r"\n"),
        '\r' => write!(out, r"\r"),
        ' '..='~' => write!(out, "{char}"),
        // what cannot be seen, or could be taken for something else
        '\0'..='\u{ffff}' if !char.is_alphanumeric() => {
            write!(out, "\\u{:04x}", u32::from(char))
        }
        _ => write!(out, "{char}"),
    };
}

struct Sample {
    letters: std::iter::Cycle<std::str::Chars<'static>>,
    text: String,
}

impl Sample {
    fn draw(&mut self, hir: &Hir) {
        if self.text.len() >= MAX_LENGTH as usize {
            return;
        }
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => {
                self.text.push_str(&String::from_utf8_lossy(&literal.0));
            }
            HirKind::Class(class) => {
                let letter = as_unicode(class).and_then(|class| self.letter(&class));
                self.text.extend(letter);
            }
            HirKind::Repetition(repetition) => {
                let most = repetition.max.unwrap_or(u32::MAX).min(MAX_LENGTH);
                for _ in 0..repetition.min.max(1).min(most) {
                    self.draw(&repetition.sub);
                }
            }
            HirKind::Capture(capture) => self.draw(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.draw(part)),
            HirKind::Alternation(alternatives) => {
                alternatives.iter().take(1).for_each(|first| self.draw(first));
            }
        }
    }

    fn letter(&mut self, class: &ClassUnicode) -> Option<char> {
        let has = |char: char| {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&char))
        };
        let next = self.letters.next().filter(|letter| has(*letter));
        let first = || class.ranges().first().map(|range| range.start());
        next.or_else(|| ('a'..='z').chain('A'..='Z').chain('0'..='9').find(|char| has(*char)))
            .or_else(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ecma(pattern: &str) -> String {
        to_ecma(pattern).unwrap()
    }

    #[test]
    fn what_both_syntaxes_have_stays_as_it_is() {
        for pattern in [
            "^prod_[0-7][0-9a-hjkmnp-tv-z]{25}$",
            "^([0-9a-z]+([\\-/][0-9a-z]+)*)?$",
            "^a{2,}b{0,3}c+?$",
            "^(?:ab)+$",
            "^x-\\.y$",
        ] {
            assert_eq!(ecma(pattern), pattern);
        }
    }

    #[test]
    fn what_only_re2_has_is_written_out() {
        assert_eq!(ecma(r"\A\x{85}\z"), "^\\u0085$");
        assert_eq!(ecma(r"(?i)ab"), "[Aa][Bb]");
        assert_eq!(ecma(r"^\d+\.\w$"), "^[0-9]+\\.[0-9A-Z_a-z]$");
        assert_eq!(ecma(r"(?P<year>\d{4})"), "([0-9]{4})");
        let white = r"^[^\t-\r\x{85}\p{Z}]*$";
        let spaces = r"\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
        assert_eq!(ecma(white), format!("^[^\\t-\\r \\u0085\\u00a0{spaces}]*$"));
        assert_eq!(to_ecma("(?m)^a$"), None);
        assert_eq!(to_ecma("("), None);
    }

    #[test]
    fn a_sample_matches_its_pattern_and_looks_like_an_id_where_it_can() {
        let id = sample("^prod_[0-7][0-9a-hjkmnp-tv-z]{25}$").unwrap();
        assert_eq!(id, "prod_01h455vb4pex5vsknk084sn02q");
        for pattern in ["^[A-Z]{3}$", r"^(a|b)\d?-[^a-z0-9]$", "^é+$"] {
            let sample = sample(pattern).unwrap();
            assert!(regex::Regex::new(pattern).unwrap().is_match(&sample), "{pattern}: {sample}");
        }
    }

    #[test]
    fn a_pattern_may_take_nothing() {
        assert!(takes_nothing("^([a-z]+)?$"));
        assert!(takes_nothing("[^ ]|^$"));
        assert!(!takes_nothing("^[a-z]+$"));
    }
}
