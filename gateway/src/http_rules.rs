//! The `google.api.http` option of an RPC: which HTTP methods and paths it answers.

use anyhow::{Context as _, bail, ensure};
use http::Method;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use souk_proto::descriptors;

/// The HTTP methods that a rule may name.
const METHODS: [(&str, Method); 5] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("patch", Method::PATCH),
];

/// One HTTP method and path of an RPC.
#[derive(Debug)]
pub(crate) struct HttpRule {
    /// The method.
    pub method: Method,
    /// The path with numbered variables: `/v1/things/{0}`. Rules that differ
    /// only in the names of their variables have the same path.
    pub path: String,
    /// The fields that the variables are, in their order: `id`, `thing.id`.
    pub variables: Vec<String>,
    /// What the body is.
    pub body: BodyRule,
}

/// What the body of a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyRule {
    /// Not looked at.
    Ignored,
    /// The request message (`body: "*"`).
    Whole,
    /// This field of the request message.
    Field(String),
}

/// The rules of an RPC; none when it is not for outsiders.
pub(crate) fn rules_of(method: &MethodDescriptor) -> anyhow::Result<Vec<HttpRule>> {
    let extension = descriptors()
        .get_extension_by_name("google.api.http")
        .context("the contracts do not have google.api.http")?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return Ok(Vec::new());
    }
    let option = options.get_extension(&extension);
    let rule = option.as_message().context("google.api.http is no message")?;
    let mut rules = vec![read(rule)?];
    if let Some(additional) = rule.get_field_by_name("additional_bindings") {
        for binding in additional.as_list().unwrap_or_default() {
            rules.push(read(binding.as_message().context("a binding is no message")?)?);
        }
    }
    Ok(rules)
}

fn read(rule: &DynamicMessage) -> anyhow::Result<HttpRule> {
    ensure!(text(rule, "response_body").is_empty(), "`response_body` is not supported");
    let pattern = METHODS.into_iter().find(|(name, _)| rule.has_field_by_name(name));
    let Some((name, method)) = pattern else {
        bail!("an http rule has none of get, put, post, delete and patch");
    };
    let (path, variables) = read_template(&text(rule, name))?;
    let body = match text(rule, "body").as_str() {
        "" => BodyRule::Ignored,
        "*" => BodyRule::Whole,
        field => BodyRule::Field(field.to_owned()),
    };
    Ok(HttpRule { method, path, variables, body })
}

fn text(rule: &DynamicMessage, field: &str) -> String {
    let value = rule.get_field_by_name(field);
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A path template with numbered variables, and the fields that they are. A variable is a whole segment, or with
/// `=**` all that is left of the path.
fn read_template(template: &str) -> anyhow::Result<(String, Vec<String>)> {
    let Some(rest) = template.strip_prefix('/') else {
        bail!("the path `{template}` does not start with a slash");
    };
    let mut path = String::new();
    let mut variables = Vec::new();
    let segments: Vec<&str> = rest.split('/').collect();
    for (index, segment) in segments.iter().enumerate() {
        path.push('/');
        let Some(variable) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
        else {
            let is_literal = !segment.contains(['{', '}', '*', ':']);
            ensure!(is_literal, "the path `{template}` has a segment of an unsupported form");
            path.push_str(segment);
            continue;
        };
        let (field, star) = match variable.split_once('=') {
            None | Some((_, "*")) => (variable.trim_end_matches("=*"), ""),
            Some((field, "**")) if index + 1 == segments.len() => (field, "*"),
            Some(_) => bail!("the path `{template}` has a variable of an unsupported form"),
        };
        path.push_str(&format!("{{{star}{}}}", variables.len()));
        variables.push(field.to_owned());
    }
    Ok((path, variables))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(template: &str) -> (String, Vec<String>) {
        read_template(template).unwrap()
    }

    #[test]
    fn variables_are_numbered_and_their_fields_kept() {
        assert_eq!(read("/v1/a/{id}"), ("/v1/a/{0}".to_owned(), vec!["id".to_owned()]));
        let (path, variables) = read("/v1/{a.id}/b/{c=*}/{rest=**}");
        assert_eq!(path, "/v1/{0}/b/{1}/{*2}");
        assert_eq!(variables, ["a.id", "c", "rest"]);
    }

    #[test]
    fn templates_of_an_unsupported_form_are_refused_at_start_up() {
        for template in ["v1", "/v1/a:verb", "/v1/*", "/v1/{a=x/*}", "/v1/{a=**}/b", "/v1/{a}b"] {
            assert!(read_template(template).is_err(), "{template}");
        }
    }
}
