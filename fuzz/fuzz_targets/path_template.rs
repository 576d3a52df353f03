//! Path templates: each matches the paths that it means and no others, alone and among others.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use souk_gateway::template::{Paths, Segment, Template, split};

// lines with templates, and one with a path
fuzz_target!(|input: &str| -> Corpus {
    let mut lines: Vec<&str> = input.lines().collect();
    let Some(path) = lines.pop() else { return Corpus::Reject };
    let templates: Vec<Template> =
        lines.into_iter().filter_map(|line| Template::parse(line).ok()).collect();
    let mut paths = Paths::<Vec<usize>>::default();
    for (index, template) in templates.iter().enumerate() {
        paths.at(template).push(index);
    }
    for (index, template) in templates.iter().enumerate() {
        assert_eq!(finds(&paths, index, template, path), matches(template, path), "{template:?}");
        for path in [made(template, ""), made(template, path)] {
            assert!(finds(&paths, index, template, &path), "{template:?} does not match {path}");
        }
    }
    Corpus::Keep
});

/// Whether a path leads to a template. Then its variables are in the path.
fn finds(paths: &Paths<Vec<usize>>, index: usize, template: &Template, path: &str) -> bool {
    let mut segments = split(path);
    let found = paths.find(&mut segments, |indexes| indexes.contains(&index).then_some(()));
    if found.is_some() {
        for variable in &template.variables {
            let (start, end) = template.places(variable);
            let (start, end) = (start.index(segments.len()), end.index(segments.len()));
            assert!(segments.get(start..end).is_some(), "{variable:?} is not in {path}");
            assert!(template.is_multi_segment(variable) || end - start == 1, "{variable:?}");
        }
    }
    found.is_some()
}

/// A path that a template matches. `rest` is what `**` stands for.
fn made(template: &Template, rest: &str) -> String {
    let mut path = String::new();
    for segment in &template.segments {
        path.push('/');
        match segment {
            Segment::Literal(text) => path.extend(utf8_percent_encode(text, NON_ALPHANUMERIC)),
            Segment::Any => path.push('x'),
            Segment::Rest if rest.is_empty() => drop(path.pop()),
            Segment::Rest => path.push_str(rest),
        }
    }
    if let Some(verb) = &template.verb {
        path.extend([":", verb]);
    }
    path
}

/// What it means that a template matches a path.
fn matches(template: &Template, path: &str) -> bool {
    let segments = split(path);
    let Some(verb) = &template.verb else { return all_match(&template.segments, &segments) };
    let Some((last, before)) = segments.split_last() else { return false };
    let without_verb = last.strip_suffix(verb).and_then(|last| last.strip_suffix(':'));
    without_verb.is_some_and(|last| all_match(&template.segments, &[before, &[last]].concat()))
}

fn all_match(template: &[Segment], path: &[&str]) -> bool {
    match template.split_first() {
        None => path.is_empty(),
        Some((Segment::Rest, after)) => {
            (0..=path.len()).any(|from| all_match(after, &path[from..]))
        }
        Some((segment, after)) => path.split_first().is_some_and(|(first, others)| {
            let is_match = match segment {
                Segment::Literal(text) => {
                    percent_decode_str(first).decode_utf8().is_ok_and(|first| first == **text)
                }
                Segment::Any | Segment::Rest => !first.is_empty(),
            };
            is_match && all_match(after, others)
        }),
    }
}
