//! The `google.api.http` option of an RPC: which HTTP methods and paths it answers.

use anyhow::{Context as _, bail};
use http::Method;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor};

use super::Template;

/// The patterns of a rule that name their HTTP method.
const METHODS: [(&str, Method); 5] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("patch", Method::PATCH),
];

/// One HTTP method and path of an RPC.
#[derive(Debug, Clone)]
pub(crate) struct HttpRule {
    /// The method; `None` is any (`custom: {kind: "*"}`).
    pub method: Option<Method>,
    /// The path.
    pub template: Template,
    /// The path as the contract writes it.
    pub path: String,
    /// What the body of a request is.
    pub body: BodyRule,
    /// The field of the response that its body is; `None` is the whole of it.
    pub response_body: Option<String>,
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

impl HttpRule {
    /// Whether the body of a request is bytes of any media type.
    pub(crate) fn takes_bytes(&self, input: &MessageDescriptor) -> bool {
        match &self.body {
            BodyRule::Ignored => false,
            BodyRule::Whole => is_http_body(input, None),
            BodyRule::Field(name) => is_http_body(input, Some(name)),
        }
    }

    /// Whether that of a response is.
    pub(crate) fn gives_bytes(&self, output: &MessageDescriptor) -> bool {
        is_http_body(output, self.response_body.as_deref())
    }
}

/// Whether a message, or the field of it that is the body, is a body as it stands.
fn is_http_body(message: &MessageDescriptor, field: Option<&str>) -> bool {
    const NAME: &str = "google.api.HttpBody";
    let Some(name) = field else { return message.full_name() == NAME };
    message.get_field_by_name(name).is_some_and(|field| {
        let kind = field.kind();
        !field.is_list() && kind.as_message().is_some_and(|message| message.full_name() == NAME)
    })
}

/// The rules of an RPC, its additional bindings after the first; none when it is not for outsiders.
pub(super) fn rules_of(method: &MethodDescriptor) -> anyhow::Result<Vec<HttpRule>> {
    read_all(method).with_context(|| method.full_name().to_owned())
}

fn read_all(method: &MethodDescriptor) -> anyhow::Result<Vec<HttpRule>> {
    // contracts that do not have the option do not expose anything
    let Some(extension) = method.parent_pool().get_extension_by_name("google.api.http") else {
        return Ok(Vec::new());
    };
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
    let (method, path) = pattern(rule)?;
    let body = match text(rule, "body").as_str() {
        "" => BodyRule::Ignored,
        "*" => BodyRule::Whole,
        field => BodyRule::Field(field.to_owned()),
    };
    let response_body = Some(text(rule, "response_body")).filter(|field| !field.is_empty());
    Ok(HttpRule { method, template: Template::parse(&path)?, path, body, response_body })
}

fn pattern(rule: &DynamicMessage) -> anyhow::Result<(Option<Method>, String)> {
    if let Some((name, method)) = METHODS.into_iter().find(|(name, _)| rule.has_field_by_name(name))
    {
        return Ok((Some(method), text(rule, name)));
    }
    let custom = rule.get_field_by_name("custom").filter(|_| rule.has_field_by_name("custom"));
    let Some(custom) = custom.as_ref().and_then(|custom| custom.as_message()) else {
        bail!("an http rule has none of get, put, post, delete, patch and custom");
    };
    let method = match text(custom, "kind").as_str() {
        "*" => None,
        kind => {
            let method = Method::from_bytes(kind.as_bytes());
            Some(method.with_context(|| format!("`{kind}` is no HTTP method"))?)
        }
    };
    Ok((method, text(custom, "path")))
}

fn text(rule: &DynamicMessage, field: &str) -> String {
    let value = rule.get_field_by_name(field);
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
