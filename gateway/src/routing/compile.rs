//! Contracts become routes, once at start-up.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use http::header::{ACCEPT, CACHE_CONTROL, VARY};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use prost_reflect::{Kind, MessageDescriptor};
use souk_proto::souk::policy::v1::Policy;

use super::route::{FIELDS, PathVariable, Route};
use crate::api::{Api, BodyRule, HttpRule, Operation, Segment};
use crate::event_id::EventId;
use crate::field_path::FieldPath;
use crate::response::deprecation::{self, Successor};
use crate::response::download::Download;
use crate::response::links::Paging;
use crate::response::location::Location;
use crate::transcode::{Plans, Style};
use crate::upstream::target::{Target, Targets};

/// The name of the field that says which fields a PATCH changes.
pub(crate) const UPDATE_MASK: &str = "update_mask";

/// The routes of what is exposed, each with its rule, and the transcoding plans of its messages.
pub(crate) fn compile(
    api: &Api,
    targets: &Targets,
    style: Style,
) -> anyhow::Result<(Vec<(HttpRule, Route)>, Plans)> {
    let messages = api.operations.iter();
    let messages = messages.flat_map(|Operation { method, .. }| [method.input(), method.output()]);
    let plans = Plans::compile(messages, style)?;

    let mut routes = Vec::new();
    for operation in &api.operations {
        let target = targets.of(&operation.method)?;
        for rule in &operation.rules {
            let route = compile_route(rule, operation, &target, &plans);
            let name = operation.method.full_name();
            let route = route.with_context(|| format!("{name} at {}", rule.path))?;
            routes.push((rule.clone(), route));
        }
    }
    Ok((routes, plans))
}

fn compile_route(
    rule: &HttpRule,
    operation: &Operation,
    target: &Arc<Target>,
    plans: &Plans,
) -> anyhow::Result<Route> {
    let (method, policy) = (&operation.method, &operation.rpc.policy);
    let (input, output) = (method.input(), method.output());
    let plan_of = |message: &MessageDescriptor| {
        plans.message(message.full_name()).context("a message has no plan")
    };
    let gives_bytes = rule.gives_bytes(&output);
    let variables = variables(rule, &input)?;
    let successor = policy.deprecation.as_ref().map_or("", |deprecation| &deprecation.successor);
    Ok(Route {
        target: target.clone(),
        input: plan_of(&input)?,
        output: plan_of(&output)?,
        successor: optional(successor, |path| Successor::compile(path, &variables))?,
        variables,
        begins_with_wildcard: matches!(
            rule.template.segments.first(),
            Some(Segment::Any | Segment::Rest)
        ),
        body: rule.body.clone(),
        takes_bytes: rule.takes_bytes(&input),
        masked: masked(rule, &input)?.as_ref().map(plan_of).transpose()?,
        takes_fields: !operation.rpc.is_client_stream
            && !gives_bytes
            && input.get_field_by_name(FIELDS).is_none(),
        file_name: optional(&policy.file_name_field, |name| file_name(name, &input))?,
        download: download(operation, gives_bytes)?,
        response_body: response_body(rule, &output)?,
        gives_bytes,
        has_websocket: operation.has_websocket(rule),
        success: success(policy, &output)?,
        location: optional(&policy.location, |text| Location::compile(text, &output))?,
        version: optional(&policy.version_field, |path| FieldPath::string(path, &output))?,
        paging: Paging::of(rule, method),
        event_id: optional(&policy.event_id_field, |path| EventId::compile(path, &output))?,
        contract: contract(rule),
        is_kept: !operation.rpc.needs_token() && policy.cache_control.contains("public"),
        headers: headers(policy)?,
    })
}

/// What a policy says as text, which is empty where it says nothing.
fn optional<T>(
    text: &str,
    compile: impl FnOnce(&str) -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    Some(text).filter(|text| !text.is_empty()).map(compile).transpose()
}

/// The major version that a path begins with: `/v2/…`.
fn contract(rule: &HttpRule) -> Option<u32> {
    match rule.template.segments.first()? {
        Segment::Literal(text) => text.strip_prefix('v')?.parse().ok(),
        Segment::Any | Segment::Rest => None,
    }
}

fn headers(policy: &Policy) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
    let mut headers = match policy.cache_control.as_str() {
        "" => vec![(CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        value => vec![(CACHE_CONTROL, value.try_into()?), (VARY, ACCEPT.into())],
    };
    if let Some(deprecation) = &policy.deprecation {
        headers.extend(deprecation::headers(deprecation)?);
    }
    Ok(headers)
}

fn variables(rule: &HttpRule, input: &MessageDescriptor) -> anyhow::Result<Vec<PathVariable>> {
    let template = &rule.template;
    let mut variables = Vec::new();
    for variable in &template.variables {
        check_variable(input, &variable.field)?;
        let (start, end) = template.places(variable);
        variables.push(PathVariable {
            field: variable.field.clone(),
            start,
            end,
            is_multi_segment: template.is_multi_segment(variable),
        });
    }
    Ok(variables)
}

fn check_variable(input: &MessageDescriptor, path: &str) -> anyhow::Result<()> {
    let mut message = Some(input.clone());
    let mut is_scalar = false;
    for name in path.split('.') {
        let field = message
            .and_then(|message| message.get_field_by_name(name))
            .with_context(|| format!("{} has no field `{path}`", input.full_name()))?;
        let is_singular = !field.is_list() && !field.is_map();
        is_scalar = is_singular && field.kind().as_message().is_none();
        message = field.kind().as_message().filter(|_| is_singular).cloned();
    }
    ensure!(is_scalar, "`{path}` of {} cannot be in a path", input.full_name());
    Ok(())
}

/// The message whose keys make the mask, for a PATCH that has one.
fn masked(rule: &HttpRule, input: &MessageDescriptor) -> anyhow::Result<Option<MessageDescriptor>> {
    let body = match &rule.body {
        BodyRule::Ignored => return Ok(None),
        BodyRule::Whole => Some(input.clone()),
        BodyRule::Field(name) => {
            let field = input
                .get_field_by_name(name)
                .with_context(|| format!("{} has no field `{name}`", input.full_name()))?;
            field.kind().as_message().cloned().filter(|_| !field.is_list() && !field.is_map())
        }
    };
    let is_mask = |kind: Kind| {
        kind.as_message().is_some_and(|kind| kind.full_name() == "google.protobuf.FieldMask")
    };
    let has_mask = input.get_field_by_name(UPDATE_MASK).is_some_and(|field| is_mask(field.kind()));
    Ok(body.filter(|_| has_mask && rule.method == Some(Method::PATCH)))
}

fn file_name(name: &str, input: &MessageDescriptor) -> anyhow::Result<String> {
    let field = input.get_field_by_name(name);
    let is_text = field.is_some_and(|field| field.kind() == Kind::String && !field.is_list());
    ensure!(is_text, "{} has no string `{name}`", input.full_name());
    Ok(name.to_owned())
}

fn download(operation: &Operation, gives_bytes: bool) -> anyhow::Result<Option<Download>> {
    let Some(policy) = &operation.rpc.policy.download else { return Ok(None) };
    let method = &operation.method;
    let is_download = gives_bytes && operation.rpc.is_server_stream;
    ensure!(is_download, "it answers with no stream of bytes that could be downloaded");
    Download::compile(policy, &method.input(), &method.output()).map(Some)
}

fn response_body(rule: &HttpRule, output: &MessageDescriptor) -> anyhow::Result<Option<String>> {
    let Some(field) = &rule.response_body else { return Ok(None) };
    let found = output.get_field_by_name(field);
    found.with_context(|| format!("{} has no field `{field}`", output.full_name()))?;
    Ok(Some(field.clone()))
}

/// The status of a success, where the service does not choose another.
pub(crate) fn success(policy: &Policy, output: &MessageDescriptor) -> anyhow::Result<StatusCode> {
    Ok(match policy.success_status {
        0 if output.full_name() == "google.protobuf.Empty" => StatusCode::NO_CONTENT,
        0 => StatusCode::OK,
        status => StatusCode::from_u16(u16::try_from(status)?)?,
    })
}
