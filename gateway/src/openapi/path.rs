//! Path templates as OpenAPI knows them: each wildcard is a parameter of its own.
//!
//! `/v1/{id}` stays as it is. A variable of several segments becomes its segments, so that each can be
//! filled in: `/v1/{name=shelves/*/books/*}:publish` is `/v1/shelves/{shelf}/books/{book}:publish`, its
//! wildcards named after what stands before them. `**` is one parameter, which may have slashes.

use crate::api::{Segment, Template};

/// A path as OpenAPI has it.
#[derive(Clone)]
pub(super) struct Path {
    pub text: String,
    /// Its parameters, from left to right.
    pub parameters: Vec<Parameter>,
}

/// A wildcard of a path.
#[derive(Clone)]
pub(super) struct Parameter {
    pub name: String,
    /// The path of the field that it is, or is a part of; none where its value is not looked at.
    pub field: Option<String>,
    /// Whether it is the whole value of the field.
    pub is_whole: bool,
    /// Whether it may be several segments, or none.
    pub is_rest: bool,
}

impl Path {
    pub(super) fn of(template: &Template) -> Self {
        let mut path = Self { text: String::new(), parameters: Vec::new() };
        let mut before = "";
        for (index, segment) in template.segments.iter().enumerate() {
            path.text.push('/');
            if let Segment::Literal(text) = segment {
                path.text.push_str(text);
                before = text;
                continue;
            }
            let variable = template
                .variables
                .iter()
                .find(|variable| (variable.start..variable.end).contains(&index));
            let is_whole = variable.is_some_and(|variable| variable.end - variable.start == 1);
            let name = match variable {
                // tools do not expect a dot in a name
                Some(variable) if is_whole => variable.field.replace('.', "_"),
                _ => singular(before),
            };
            let name = path.free_name(name);
            path.text.push_str(&format!("{{{name}}}"));
            path.parameters.push(Parameter {
                name,
                field: variable.map(|variable| variable.field.clone()),
                is_whole,
                is_rest: *segment == Segment::Rest,
            });
        }
        if path.text.is_empty() {
            path.text.push('/');
        }
        if let Some(verb) = &template.verb {
            path.text.push_str(&format!(":{verb}"));
        }
        path
    }

    /// The path without the names of its parameters: to OpenAPI, paths that differ in nothing else are
    /// the same.
    pub(super) fn shape(&self) -> String {
        let mut shape = self.text.clone();
        for parameter in &self.parameters {
            shape = shape.replacen(&format!("{{{}}}", parameter.name), "{}", 1);
        }
        shape
    }

    fn free_name(&self, name: String) -> String {
        let is_free = |name: &String| self.parameters.iter().all(|other| other.name != *name);
        let numbered = (2..).map(|number| format!("{name}{number}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        names.find(is_free).unwrap_or(name)
    }
}

/// The fields of a request that a path has.
pub(super) fn fields(template: &Template) -> Vec<&str> {
    template.variables.iter().map(|variable| variable.field.as_str()).collect()
}

/// What one of the things is called that a segment names: `shelves` are each a `shelf`.
fn singular(plural: &str) -> String {
    let endings =
        [("ies", "y"), ("lves", "lf"), ("sses", "ss"), ("xes", "x"), ("ss", "ss"), ("s", "")];
    let ending = endings.into_iter().find(|(ending, _)| plural.ends_with(ending));
    let (stem, end) = ending
        .map_or((plural, ""), |(ending, one)| (plural.strip_suffix(ending).unwrap_or(plural), one));
    let name: String =
        stem.chars().chain(end.chars()).filter(|char| char.is_ascii_alphanumeric()).collect();
    if name.is_empty() { "segment".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(template: &str) -> (String, Vec<(String, Option<String>)>) {
        let path = Path::of(&Template::parse(template).unwrap());
        let parameters = path.parameters.into_iter();
        (path.text, parameters.map(|parameter| (parameter.name, parameter.field)).collect())
    }

    fn parameter(name: &str, field: Option<&str>) -> (String, Option<String>) {
        (name.to_owned(), field.map(str::to_owned))
    }

    #[test]
    fn a_variable_of_one_segment_is_a_parameter_of_its_name() {
        let (text, parameters) = path("/v1/{book.id}:archive");
        assert_eq!(text, "/v1/{book_id}:archive");
        assert_eq!(parameters, [parameter("book_id", Some("book.id"))]);
    }

    #[test]
    fn a_variable_of_several_segments_is_a_parameter_for_each_wildcard() {
        let (text, parameters) = path("/v1/{name=shelves/*/books/**}");
        assert_eq!(text, "/v1/shelves/{shelf}/books/{book}");
        assert_eq!(parameters, [parameter("shelf", Some("name")), parameter("book", Some("name"))]);
    }

    #[test]
    fn parameters_of_a_path_have_different_names() {
        let (text, parameters) = path("/*/{a=b/*/b/*}");
        assert_eq!(text, "/{segment}/b/{b}/b/{b2}");
        assert_eq!(parameters[0], parameter("segment", None));
    }

    #[test]
    fn paths_that_differ_in_names_only_have_the_same_shape() {
        let shape = |template| Path::of(&Template::parse(template).unwrap()).shape();
        assert_eq!(shape("/v1/shelves/{id}"), shape("/v1/{name=shelves/*}"));
        assert_ne!(shape("/v1/shelves/{id}"), shape("/v1/shelves/{id}:open"));
    }
}
