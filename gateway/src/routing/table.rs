//! Which route answers a request: by its path, then by its method.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::bail;
use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;

use super::route::{PathVariable, Route};
use crate::api::HttpRule;
use crate::template::{Paths, split};

/// All routes.
pub(crate) struct Table {
    paths: Paths<Endpoint>,
}

/// What one path answers.
type Endpoint = Vec<(Option<Method>, Arc<Route>)>;

/// What there is for a request.
pub(crate) enum Found<'t, 'p> {
    /// A route, and the variables of its path, decoded, in their order.
    Route(&'t Arc<Route>, Vec<Cow<'p, str>>),
    /// The path, but not with this method; those that it has.
    OtherMethods(HeaderValue),
    /// The path has text that is no UTF-8.
    NotUtf8,
    Nothing,
}

impl Table {
    /// # Errors
    ///
    /// Two RPCs have the same method and path.
    pub(crate) fn new(routes: Vec<(HttpRule, Route)>) -> anyhow::Result<Self> {
        let mut paths = Paths::default();
        for (rule, route) in routes {
            let endpoint: &mut Endpoint = paths.at(&rule.template);
            if let Some((_, other)) = endpoint.iter().find(|(method, _)| *method == rule.method) {
                let (one, two) = (&route.target.path, &other.target.path);
                bail!("{one} has the method and path of {two}: {}", rule.path);
            }
            endpoint.push((rule.method, Arc::new(route)));
        }
        Ok(Self { paths })
    }

    /// What answers a request. `HEAD` is answered by what answers `GET` (RFC 9110, section 9.3.2),
    /// unless something else does.
    pub(crate) fn find<'t, 'p>(&'t self, method: &Method, path: &'p str) -> Found<'t, 'p> {
        let found = self.choose(path, |endpoint| by_method(endpoint, method));
        found.unwrap_or_else(|| self.other_methods(path))
    }

    /// What answers a request for a WebSocket, if there is such a thing at its path. These are always
    /// asked for by `GET`, whatever the method of what answers them.
    pub(crate) fn find_websocket<'t, 'p>(&'t self, path: &'p str) -> Option<Found<'t, 'p>> {
        self.choose(path, |endpoint| {
            let get = by_method(endpoint, &Method::GET);
            let all = endpoint.iter().map(|(_, route)| route);
            get.into_iter().chain(all).find(|route| route.has_websocket)
        })
    }

    fn choose<'t, 'p>(
        &'t self,
        path: &'p str,
        choose: impl FnMut(&'t Endpoint) -> Option<&'t Arc<Route>>,
    ) -> Option<Found<'t, 'p>> {
        let mut segments = split(path);
        let route = self.paths.find(&mut segments, choose)?;
        let variables = route.variables.iter().map(|variable| value(variable, &segments));
        let values = variables.collect::<Option<_>>();
        Some(values.map_or(Found::NotUtf8, |values| Found::Route(route, values)))
    }

    fn other_methods<'t, 'p>(&'t self, path: &str) -> Found<'t, 'p> {
        let mut methods = Vec::new();
        self.paths.find(&mut split(path), |endpoint| {
            methods.extend(endpoint.iter().filter_map(|(method, _)| method.as_ref()));
            None::<()>
        });
        if methods.contains(&&Method::GET) {
            methods.push(&Method::HEAD);
        }
        if methods.is_empty() {
            return Found::Nothing;
        }
        methods.push(&Method::OPTIONS);
        let mut names: Vec<&str> = methods.into_iter().map(Method::as_str).collect();
        names.sort_unstable();
        names.dedup();
        HeaderValue::try_from(names.join(", ")).map_or(Found::Nothing, Found::OtherMethods)
    }
}

fn by_method<'t>(endpoint: &'t Endpoint, method: &Method) -> Option<&'t Arc<Route>> {
    let of = |asked: &Method| {
        endpoint.iter().find(|(known, _)| known.as_ref() == Some(asked)).map(|(_, route)| route)
    };
    let any = || endpoint.iter().find(|(known, _)| known.is_none()).map(|(_, route)| route);
    let get = || of(&Method::GET).filter(|_| *method == Method::HEAD);
    of(method).or_else(get).or_else(any)
}

/// What the segments of a variable stand for; `None` when that is no UTF-8.
fn value<'p>(variable: &PathVariable, segments: &[&'p str]) -> Option<Cow<'p, str>> {
    let PathVariable { start, end, is_multi_segment, .. } = *variable;
    let (start, end) = (start.index(segments.len()), end.index(segments.len()));
    if !is_multi_segment {
        return percent_decode_str(segments.get(start)?).decode_utf8().ok();
    }
    let text = segments.get(start..end).unwrap_or_default().join("/");
    if text.contains('%') { decode_but_slashes(&text).map(Cow::Owned) } else { Some(text.into()) }
}

/// A slash that is encoded stays so where the value has slashes of its own (`google/api/http.proto`).
fn decode_but_slashes(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    // in one pass: a path may have thousands
    let find = |rest: &str| rest.as_bytes().windows(3).position(|w| w.eq_ignore_ascii_case(b"%2F"));
    while let Some(at) = find(rest) {
        decoded.push_str(&percent_decode_str(&rest[..at]).decode_utf8().ok()?);
        decoded.push_str(&rest[at..at + 3]);
        rest = &rest[at + 3..];
    }
    decoded.push_str(&percent_decode_str(rest).decode_utf8().ok()?);
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Place;

    fn variable(start: usize, end: Option<usize>, is_multi_segment: bool) -> PathVariable {
        let start = Place::AfterStart(start);
        let end = end.map_or(Place::BeforeEnd(0), Place::AfterStart);
        PathVariable { field: "f".to_owned(), start, end, is_multi_segment }
    }

    #[test]
    fn a_slash_is_decoded_in_a_single_segment_and_kept_in_several() {
        let segments = ["v1", "a%2Fb%20c", "d%2fe%21"];
        assert_eq!(value(&variable(1, Some(2), false), &segments).unwrap(), "a/b c");
        assert_eq!(value(&variable(1, None, true), &segments).unwrap(), "a%2Fb c/d%2fe!");
        assert_eq!(value(&variable(1, Some(2), true), &segments).unwrap(), "a%2Fb c");
        assert_eq!(value(&variable(3, None, true), &segments).unwrap(), "");
    }

    #[test]
    fn what_is_no_text_is_no_value() {
        for segment in ["%FF", "a%2F%C3", "%C3%2F%A9"] {
            assert_eq!(value(&variable(0, Some(1), false), &[segment]), None, "{segment}");
            assert_eq!(value(&variable(0, None, true), &[segment]), None, "{segment}");
        }
    }
}
