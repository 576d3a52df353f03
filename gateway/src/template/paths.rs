//! A tree of path templates. Where several match, a literal goes before `*`, and that before `**`, from
//! left to right; a verb goes before a last segment that has a colon.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use super::{Segment, Template};

/// What is at each template of a set.
#[derive(Debug)]
pub struct Paths<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    literals: HashMap<Box<str>, Node<T>>,
    any: Option<Box<Node<T>>>,
    /// What comes after any number of segments.
    rest: Option<Box<Node<T>>>,
    ends: Ends<T>,
}

/// What is at the end of a path, by the verb there.
type Ends<T> = Vec<(Option<Box<str>>, T)>;

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literals: HashMap::new(), any: None, rest: None, ends: Vec::new() }
    }
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T: Default> Paths<T> {
    /// What is at a template, or at one that matches the same paths.
    pub fn at(&mut self, template: &Template) -> &mut T {
        let mut node = &mut self.root;
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.as_str().into()).or_default(),
                Segment::Any => node.any.get_or_insert_default(),
                Segment::Rest => node.rest.get_or_insert_default(),
            };
        }
        end(&mut node.ends, &template.verb)
    }
}

fn end<'e, T: Default>(ends: &'e mut Ends<T>, verb: &Option<String>) -> &'e mut T {
    let found = ends.iter().position(|(known, _)| known.as_deref() == verb.as_deref());
    let at = found.unwrap_or(ends.len());
    if found.is_none() {
        ends.push((verb.as_deref().map(Box::from), T::default()));
    }
    &mut ends[at].1
}

/// The segments of a path, as they stand.
pub fn split(path: &str) -> Vec<&str> {
    let mut segments = Vec::with_capacity(8);
    match path.strip_prefix('/').unwrap_or(path) {
        "" => {}
        path => segments.extend(path.split('/')),
    }
    segments
}

impl<T> Paths<T> {
    /// The first of what is at the templates that match, for which `choose` has an answer. The segments
    /// are then those without the verb that was matched.
    pub fn find<'t, R>(
        &'t self,
        segments: &mut [&str],
        mut choose: impl FnMut(&'t T) -> Option<R>,
    ) -> Option<R> {
        if let Some(last) = segments.last().copied()
            && let Some((before, verb)) = last.rsplit_once(':')
            && let Some(at) = segments.len().checked_sub(1)
        {
            segments[at] = before;
            if let Some(found) = self.root.find(segments, Some(verb), &mut choose) {
                return Some(found);
            }
            segments[at] = last;
        }
        self.root.find(segments, None, &mut choose)
    }
}

impl<T> Node<T> {
    fn find<'t, R>(
        &'t self,
        segments: &[&str],
        verb: Option<&str>,
        choose: &mut impl FnMut(&'t T) -> Option<R>,
    ) -> Option<R> {
        let found = match segments.split_first() {
            None => chosen(&self.ends, verb, choose),
            Some((first, others)) => {
                let literal = self.literal(first);
                // a wildcard stands for something
                let any = || self.any.as_deref().filter(|_| !first.is_empty());
                let found = literal.and_then(|node| node.find(others, verb, choose));
                found.or_else(|| any()?.find(others, verb, choose))
            }
        };
        // what comes after it is more precise the earlier it begins
        found.or_else(|| {
            let rest = self.rest.as_deref()?;
            (0..=segments.len()).find_map(|from| rest.find(&segments[from..], verb, choose))
        })
    }

    fn literal(&self, segment: &str) -> Option<&Self> {
        if !segment.contains('%') {
            return self.literals.get(segment);
        }
        self.literals.get(&*percent_decode_str(segment).decode_utf8().ok()?)
    }
}

fn chosen<'t, T, R>(
    ends: &'t Ends<T>,
    verb: Option<&str>,
    choose: &mut impl FnMut(&'t T) -> Option<R>,
) -> Option<R> {
    ends.iter().filter(|(known, _)| known.as_deref() == verb).find_map(|(_, end)| choose(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(templates: &[&str]) -> Paths<Vec<String>> {
        let mut paths = Paths::default();
        for template in templates {
            let at: &mut Vec<String> = paths.at(&Template::parse(template).unwrap());
            at.push((*template).to_owned());
        }
        paths
    }

    fn find<'t>(paths: &'t Paths<Vec<String>>, path: &str) -> Option<&'t str> {
        paths.find(&mut split(path), |found| found.first().map(String::as_str))
    }

    #[test]
    fn a_literal_goes_before_a_wildcard_and_that_before_the_rest() {
        let paths = paths(&["/a/**", "/a/*", "/a/b", "/a/{x=c/*}", "/a/*/d"]);
        assert_eq!(find(&paths, "/a/b"), Some("/a/b"));
        assert_eq!(find(&paths, "/a/x"), Some("/a/*"));
        assert_eq!(find(&paths, "/a/c/x"), Some("/a/{x=c/*}"));
        assert_eq!(find(&paths, "/a/b/d"), Some("/a/*/d"));
        assert_eq!(find(&paths, "/a/b/e"), Some("/a/**"));
        assert_eq!(find(&paths, "/b"), None);
    }

    #[test]
    fn the_rest_may_be_nothing_but_a_wildcard_is_something() {
        let paths = paths(&["/a/**", "/b/*", "/c"]);
        for path in ["/a", "/a/", "/a/b/", "/a//b"] {
            assert_eq!(find(&paths, path), Some("/a/**"), "{path}");
        }
        for path in ["/b", "/b/", "/b/c/", "/c/", "/", "//c"] {
            assert_eq!(find(&paths, path), None, "{path}");
        }
    }

    #[test]
    fn the_rest_may_have_something_after_it() {
        let paths = paths(&["/a/**", "/a/{x=**}/c", "/a/**/b/c", "/**/a/b", "/a/**:run", "/"]);
        for path in ["/a/c", "/a/x/c", "/a/c/c/c"] {
            assert_eq!(find(&paths, path), Some("/a/{x=**}/c"), "{path}");
        }
        assert_eq!(find(&paths, "/a/x/y/b/c"), Some("/a/**/b/c"));
        assert_eq!(find(&paths, "/x/y/a/b"), Some("/**/a/b"));
        assert_eq!(find(&paths, "/a/b/c/d"), Some("/a/**"));
        assert_eq!(find(&paths, "/a/b/c:run"), Some("/a/**:run"));
        assert_eq!(find(&paths, "/"), Some("/"));
        assert_eq!(find(&paths, "/x/y"), None);
    }

    #[test]
    fn a_verb_goes_before_a_segment_with_a_colon() {
        let paths = paths(&["/a/*", "/a/*:run", "/b/**:run", "/c/x:y"]);
        assert_eq!(find(&paths, "/a/1:run"), Some("/a/*:run"));
        assert_eq!(find(&paths, "/a/1:stop"), Some("/a/*"));
        assert_eq!(find(&paths, "/a/1:2:run"), Some("/a/*:run"));
        assert_eq!(find(&paths, "/a/:run"), Some("/a/*"));
        assert_eq!(find(&paths, "/b/1/2:run"), Some("/b/**:run"));
        assert_eq!(find(&paths, "/b/1/2"), None);
        assert_eq!(find(&paths, "/c/x:y"), Some("/c/x:y"));
        assert_eq!(find(&paths, "/c/x"), None);
    }

    #[test]
    fn literals_are_compared_decoded() {
        let paths = paths(&["/a b/é"]);
        assert_eq!(find(&paths, "/a%20b/%C3%A9"), Some("/a b/é"));
        assert_eq!(find(&paths, "/a%20b/%FF"), None);
    }

    #[test]
    fn what_is_not_chosen_makes_room_for_what_matches_less_well() {
        let paths = paths(&["/a/b", "/a/*", "/**"]);
        let mut seen = Vec::new();
        let found: Option<()> = paths.find(&mut split("/a/b"), |found| {
            seen.push(found[0].clone());
            None
        });
        assert_eq!((found, seen), (None, vec!["/a/b".into(), "/a/*".into(), "/**".to_owned()]));
    }
}
