//! Path templates of `google.api.http`: `/v1/{name=shelves/*}/books/**:publish`.

mod paths;

use anyhow::{Context as _, bail, ensure};

pub use paths::{Paths, split};

/// A path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// What its segments are, those of its variables among them.
    pub segments: Vec<Segment>,
    /// Its variables, from left to right.
    pub variables: Vec<Variable>,
    /// What comes after a colon at its end.
    pub verb: Option<String>,
}

/// A part of a path between two slashes, or with `**` several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// `*`: any text but none.
    Any,
    /// `**`: any number of segments, also none. Only literals come after it.
    Rest,
}

/// The segments that are the value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The path of the field: `name`, `shelf.id`.
    pub field: String,
    /// Its first segment.
    pub start: usize,
    /// The segment after its last one.
    pub end: usize,
}

/// A place between the segments of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// After so many segments.
    AfterStart(usize),
    /// Before so many segments at the end.
    BeforeEnd(usize),
}

impl Place {
    /// The index of the segment that follows, in a path of so many.
    pub fn index(self, segments: usize) -> usize {
        match self {
            Self::AfterStart(index) => index,
            Self::BeforeEnd(left) => segments.saturating_sub(left),
        }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// The text is none (see the grammar in `google/api/http.proto`).
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        Self::read(text).with_context(|| format!("`{text}` is no path template"))
    }

    fn read(text: &str) -> anyhow::Result<Self> {
        let path = text.strip_prefix('/').context("it does not start with a slash")?;
        if path.is_empty() {
            return Ok(Self { segments: Vec::new(), variables: Vec::new(), verb: None });
        }
        let (path, verb) = split_verb(path);
        let mut template =
            Self { segments: Vec::new(), variables: Vec::new(), verb: verb.map(str::to_owned) };
        template.read_path(path)?;
        template.check()?;
        Ok(template)
    }

    fn read_path(&mut self, mut path: &str) -> anyhow::Result<()> {
        loop {
            let rest = match path.strip_prefix('{') {
                Some(variable) => {
                    let (variable, rest) = variable.split_once('}').context("a brace is open")?;
                    self.read_variable(variable)?;
                    rest
                }
                None => {
                    let end = path.find('/').unwrap_or(path.len());
                    self.segments.push(Segment::parse(&path[..end])?);
                    &path[end..]
                }
            };
            if rest.is_empty() {
                return Ok(());
            }
            path = rest.strip_prefix('/').context("a variable is only a part of a segment")?;
        }
    }

    fn read_variable(&mut self, variable: &str) -> anyhow::Result<()> {
        let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        ensure!(field.split('.').all(is_identifier), "`{field}` is no field");
        let start = self.segments.len();
        for segment in pattern.split('/') {
            self.segments.push(Segment::parse(segment)?);
        }
        let end = self.segments.len();
        self.variables.push(Variable { field: field.to_owned(), start, end });
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        let mut after =
            self.segments.iter().skip_while(|segment| **segment != Segment::Rest).skip(1);
        let is_literal = |segment: &Segment| matches!(segment, Segment::Literal(_));
        ensure!(after.all(is_literal), "a wildcard comes after `**`");
        for (index, variable) in self.variables.iter().enumerate() {
            let is_known = |other: &Variable| other.field == variable.field;
            ensure!(!self.variables[..index].iter().any(is_known), "a variable is there twice");
        }
        Ok(())
    }

    /// Whether the segments of a variable may be several, or have a slash between them.
    pub fn is_multi_segment(&self, variable: &Variable) -> bool {
        let segments = &self.segments[variable.start..variable.end];
        segments.len() != 1 || segments[0] == Segment::Rest
    }

    /// Where a variable is in a path that matches: its first segment, and the one after its last.
    pub fn places(&self, variable: &Variable) -> (Place, Place) {
        let rest = self.segments.iter().position(|segment| *segment == Segment::Rest);
        let place = |index: usize| match rest {
            Some(rest) if index > rest => Place::BeforeEnd(self.segments.len() - index),
            _ => Place::AfterStart(index),
        };
        (place(variable.start), place(variable.end))
    }
}

impl Segment {
    fn parse(text: &str) -> anyhow::Result<Self> {
        Ok(match text {
            "*" => Self::Any,
            "**" => Self::Rest,
            "" => bail!("a segment is empty"),
            _ if text.contains(['{', '}', '*']) => bail!("`{text}` is no segment"),
            _ => Self::Literal(text.to_owned()),
        })
    }
}

/// The verb is what comes after the last colon, when that is neither in a variable nor before a slash.
fn split_verb(path: &str) -> (&str, Option<&str>) {
    match path.rsplit_once(':') {
        Some((path, verb)) if !verb.is_empty() && !verb.contains(['/', '}']) => (path, Some(verb)),
        _ => (path, None),
    }
}

fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Segment {
        Segment::Literal(text.to_owned())
    }

    fn variable(field: &str, start: usize, end: usize) -> Variable {
        Variable { field: field.to_owned(), start, end }
    }

    #[test]
    fn a_variable_is_one_segment_unless_it_says_otherwise() {
        let template = Template::parse("/v1/{a.id}/b/{c=*}").unwrap();
        assert_eq!(template.segments, [literal("v1"), Segment::Any, literal("b"), Segment::Any]);
        assert_eq!(template.variables, [variable("a.id", 1, 2), variable("c", 3, 4)]);
        assert!(!template.is_multi_segment(&template.variables[1]));
        assert_eq!(template.verb, None);
    }

    #[test]
    fn variables_have_patterns_and_a_template_has_a_verb() {
        let template = Template::parse("/v1/{name=shelves/*/books/**}:publish").unwrap();
        let segments =
            [literal("v1"), literal("shelves"), Segment::Any, literal("books"), Segment::Rest];
        assert_eq!(template.segments, segments);
        assert_eq!(template.variables, [variable("name", 1, 5)]);
        assert!(template.is_multi_segment(&template.variables[0]));
        assert_eq!(template.verb.as_deref(), Some("publish"));
    }

    #[test]
    fn wildcards_stand_outside_of_variables_too() {
        let template = Template::parse("/*/a:b/**").unwrap();
        assert_eq!(template.segments, [Segment::Any, literal("a:b"), Segment::Rest]);
        assert_eq!(template.verb, None);
        let verb = Template::parse("/{path=**}:run").unwrap();
        assert_eq!((verb.segments, verb.verb.as_deref()), (vec![Segment::Rest], Some("run")));
    }

    #[test]
    fn what_comes_after_the_rest_is_counted_from_the_end() {
        let template = Template::parse("/a/{x=*}/{y=b/**}/c/{z=d/e}").unwrap();
        let places: Vec<_> =
            template.variables.iter().map(|variable| template.places(variable)).collect();
        let expected = [
            (Place::AfterStart(1), Place::AfterStart(2)),
            (Place::AfterStart(2), Place::BeforeEnd(3)),
            (Place::BeforeEnd(2), Place::BeforeEnd(0)),
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        let wrong = [
            "",
            "v1",
            "/a/",
            "//a",
            "/a//b",
            "/{}",
            "/{a",
            "/a}",
            "/{a}b",
            "/a{b}",
            "/{a=}",
            "/:verb",
            "/{a=b//c}",
            "/{a=**}/{b}",
            "/**/*",
            "/**/a/*",
            "/**/**",
            "/{a=**}/b/{c=**}",
            "/***",
            "/a*",
            "/{a=*b}",
            "/{a}/{a}",
            "/{1a}",
            "/{a.}",
            "/{a={b}}",
        ];
        for template in wrong {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }
}
