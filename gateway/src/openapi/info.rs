//! What a document says before it comes to the operations.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use souk_proto::souk::policy::v1::policy::Access;

use super::methods::methods;
use super::names::{capital, newest, split_version};
use crate::api::{Api, Operation};

const ABOUT: &str = "\
Requests and responses are JSON. A field that the contract does not know is refused.

A request that fails is answered with a code that says why. Codes are stable; what each means, and what \
to do, is told at [/docs/errors](/docs/errors). Clients that accept `application/problem+json` get \
errors as RFC 9457 has them.

Every response has the header `X-Request-Id`: the id that the client sent, or a new one.";

const OTHERS: &str = "\
Of a failure that a service tells with a reason of its own, the code is that reason, and the page is that of \
its gRPC status.";

const TOKENS: &str = "\
Operations that ask for an access token take it as `Authorization: Bearer …`.";

const FIELDS: &str = "\
With the parameter `fields`, for example `?fields=id,owner.name`, an answer has only the fields that it \
names; that of a list, only those of its items. It is not among the parameters below: such an answer does \
not have all that its schema asks for.";

const KEYS: &str = "\
Operations that take an `Idempotency-Key` are safe to repeat with one: a retry with the same key and the same \
body is answered as the first one was, and does nothing again.";

const STREAMS: &str = "\
An operation that answers with a stream does so as JSON in lines, or as server-sent events, as the client \
accepts them. The last event says why there are no more; a stream without one was cut. While there is \
nothing to tell, an empty line comes now and then, or a comment: skip them.

Where an operation says so, its messages also go over a WebSocket, which `GET` with `Upgrade: websocket` \
asks for at the same path. Each text frame of the client is a message, as a line of a body would be, and \
one without text says that there are no more; those of the answer are the lines of a stream. Scripts in \
browsers name an access token as a subprotocol: `new WebSocket(url, [\"bearer\", token])`.";

const VERSIONS: &str = "\
A resource that has an `ETag` can be asked for with `If-None-Match`, which is answered with 304 where \
nothing has changed, and changed with `If-Match`, which is refused where somebody else was faster.";

/// The info object.
pub(super) fn info(api: &Api) -> Value {
    let has = |is: fn(&Operation) -> bool| api.operations.iter().any(is);
    let paragraphs = [
        (true, ABOUT),
        (has(|it| !it.is_ours()), OTHERS),
        (has(|it| it.rpc.needs_token()), TOKENS),
        (true, FIELDS),
        (has(|it| it.rpc.takes_key()), KEYS),
        (has(|it| !it.rpc.policy.version_field.is_empty()), VERSIONS),
        (has(|it| it.rules.iter().any(|rule| it.has_websocket(rule))), STREAMS),
    ];
    let told =
        paragraphs.into_iter().filter(|(applies, _)| *applies).map(|(_, text)| text.to_owned());
    let told = told.chain(with_other_methods(api)).chain(for_websockets_only(api));
    json!({
        "title": title(api),
        "version": newest(&packages(api)).unwrap_or("v1"),
        "description": told.collect::<Vec<_>>().join("\n\n"),
        "contact": { "name": "Whoever runs this gateway" },
        "license": license(api),
    })
}

/// Where operations answer methods for which a document has no place.
fn with_other_methods(api: &Api) -> Option<String> {
    let rules = api.operations.iter().filter(|operation| operation.has_http()).flat_map(|it| {
        let name = it.method.full_name();
        it.rules.iter().map(move |rule| (rule, name))
    });
    let lines = rules.filter_map(|(rule, name)| match &rule.method {
        None => Some(format!("- any method at `{}`: `{name}`", rule.path)),
        Some(method) if methods(rule).next().is_none() => {
            Some(format!("- `{method} {}`: `{name}`", rule.path))
        }
        Some(_) => None,
    });
    let about = "These operations answer methods that OpenAPI does not know:";
    list(about, lines.collect())
}

/// Where the operations are that no document describes: messages go in both directions.
fn for_websockets_only(api: &Api) -> Option<String> {
    let mut lines = Vec::new();
    for operation in api.operations.iter().filter(|operation| !operation.has_http()) {
        let rules = operation.rules.iter().filter(|rule| operation.has_websocket(rule));
        let name = operation.method.full_name();
        lines.extend(rules.map(|rule| format!("- `{}`: `{name}`", rule.path)));
    }
    let about = "These paths are for WebSockets only, with messages in both directions:";
    list(about, lines)
}

/// A list in Markdown, unless there is nothing in it.
fn list(about: &str, lines: Vec<String>) -> Option<String> {
    (!lines.is_empty()).then(|| format!("{about}\n\n{}", lines.join("\n")))
}

/// The security scheme of operations that ask for a token.
pub(super) fn bearer(api: &Api) -> Value {
    let scopes: BTreeSet<String> = api
        .operations
        .iter()
        .filter_map(|operation| match &operation.rpc.policy.access {
            Some(Access::Scope(scope)) => Some(format!("`{scope}`")),
            _ => None,
        })
        .collect();
    let mut description = "An access token.".to_owned();
    if !scopes.is_empty() {
        let scopes: Vec<String> = scopes.into_iter().collect();
        let scopes = scopes.join(", ");
        description.push_str(&format!(" Some operations ask for one that has a scope: {scopes}."));
    }
    json!({
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": description
    })
}

/// What all that is exposed is called.
pub(crate) fn title(api: &Api) -> String {
    in_common(&packages(api))
}

fn packages(api: &Api) -> BTreeSet<&str> {
    api.operations.iter().map(|it| it.method.parent_service().package_name()).collect()
}

/// What packages have in common: `Souk` for `souk.catalog.v1` and `souk.orders.v1`.
fn in_common(packages: &BTreeSet<&str>) -> String {
    let mut bases = packages.iter().map(|package| split_version(package).0.split('.'));
    let mut common: Vec<&str> = bases.next().into_iter().flatten().collect();
    for base in bases {
        let same = common.iter().zip(base).take_while(|(one, other)| *one == other).count();
        common.truncate(same);
    }
    match common.last().filter(|last| !last.is_empty()) {
        Some(last) => capital(last),
        None => "API".to_owned(),
    }
}

/// Others have not told us theirs.
fn license(api: &Api) -> Value {
    if api.operations.iter().all(Operation::is_ours) {
        let license = env!("CARGO_PKG_LICENSE");
        json!({ "name": license, "identifier": license })
    } else {
        json!({ "name": "Not stated", "identifier": "NOASSERTION" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_what_the_packages_have_in_common() {
        let of = |packages: &[&'static str]| in_common(&packages.iter().copied().collect());
        assert_eq!(of(&["souk.auth.v1", "souk.orders.v1"]), "Souk");
        assert_eq!(of(&["google.example.library.v1"]), "Library");
        assert_eq!(of(&["a.v1", "b.v1"]), "API");
        assert_eq!(of(&[""]), "API");
    }
}
