//! What a route needs to know, worked out once from the contract of its RPC.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use http::header::{ACCEPT, CACHE_CONTROL, VARY};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use prost_reflect::{Kind, MessageDescriptor};
use souk_kit::Channel;
use souk_kit::policy::Rpc;
use souk_kit::request::Context;
use souk_proto::souk::policy::v1::Policy;
use souk_proto::souk::types::v1::Reason;
use tonic::Status;

use crate::accept::Accepted;
use crate::api::{Api, BodyRule, HttpRule, Operation, Segment};
use crate::field_path::FieldPath;
use crate::links::Paging;
use crate::location::Location;
use crate::problem::Problem;
use crate::transcode::{MessageId, Plans};
use crate::{Upstream, deprecation, foreign};

/// The name of the field that says which fields a PATCH changes.
pub(crate) const UPDATE_MASK: &str = "update_mask";

/// One HTTP method and path, and the RPC behind it.
#[derive(Debug)]
pub(crate) struct Route {
    /// How to reach the service.
    pub channel: Channel,
    /// The path of the RPC: `/package.v1.ThingService/GetThing`.
    pub path: PathAndQuery,
    /// What the contract says of the RPC: who may call it, and how.
    pub rpc: Rpc,
    /// Whether the service is of this build: its failures have our reasons.
    is_ours: bool,
    /// The request message.
    pub input: MessageId,
    /// The response message.
    pub output: MessageId,
    /// The variables of the path, in their order.
    pub variables: Vec<PathVariable>,
    /// What the body is.
    pub body: BodyRule,
    /// The message whose keys make the mask of a PATCH; `None` when there is no mask to make.
    pub masked: Option<MessageId>,
    /// The status of a success.
    pub success: StatusCode,
    /// The `Location` of a success.
    pub location: Option<Location>,
    /// The field of a response that is the version of the resource.
    pub version: Option<FieldPath>,
    /// How the pages around a response are found, where it is a page of a list.
    pub paging: Option<Paging>,
    /// The major version of the contract that the path names.
    pub contract: Option<u32>,
    /// The headers that every success has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Route {
    /// The form of the answer that a client takes.
    ///
    /// # Errors
    ///
    /// None that there is, or that of another version than the path's.
    pub(crate) fn accepted(&self, headers: &HeaderMap) -> Result<Accepted, Problem> {
        let accepted = Accepted::of(headers)?;
        match (accepted, self.contract) {
            (Accepted::Version(asked), Some(version)) if asked != version => {
                let message = format!("the path is of version {version}");
                Err(Problem::new(Reason::NotAcceptable, message))
            }
            _ => Ok(accepted),
        }
    }

    /// Why a call of the RPC has failed.
    pub(crate) fn problem(&self, status: &Status, context: &Context) -> Problem {
        if self.is_ours {
            Problem::from_status(status, context)
        } else {
            foreign::problem(status, context)
        }
    }
}

/// A field of the request that is in the path.
#[derive(Debug)]
pub(crate) struct PathVariable {
    /// The path of the field: `id`, `thing.id`.
    pub field: String,
    /// Its first segment.
    pub start: usize,
    /// The segment after its last one; `None` is the end of the path.
    pub end: Option<usize>,
    /// Whether a slash can be a part of it.
    pub is_multi_segment: bool,
}

/// The routes of what is exposed, each with its rule, and the transcoding plans of its messages. RPCs
/// that stream have no route.
pub(crate) fn compile(
    api: &Api,
    upstreams: &[Upstream],
) -> anyhow::Result<(Vec<(HttpRule, Route)>, Plans)> {
    let channels: HashMap<&str, &Channel> =
        upstreams.iter().map(|upstream| (upstream.name.as_str(), &upstream.channel)).collect();
    let exposed = || {
        api.operations.iter().filter(|operation| {
            !operation.method.is_client_streaming() && !operation.method.is_server_streaming()
        })
    };
    let messages =
        exposed().flat_map(|operation| [operation.method.input(), operation.method.output()]);
    let plans = Plans::compile(messages)?;

    let mut routes = Vec::new();
    for operation in exposed() {
        let service = operation.method.parent_service();
        let channel = channels.get(service.full_name()).context("a service has no upstream")?;
        for rule in &operation.rules {
            let route = compile_route(rule, operation, (*channel).clone(), &plans);
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
    channel: Channel,
    plans: &Plans,
) -> anyhow::Result<Route> {
    let (method, rpc) = (&operation.method, operation.rpc.clone());
    let (input, output) = (method.input(), method.output());
    let plan_of = |message: &MessageDescriptor| {
        plans.message(message.full_name()).context("a message has no plan")
    };
    let service = method.parent_service();
    let path = format!("/{}/{}", service.full_name(), method.name());
    ensure!(rule.response_body.is_none(), "`response_body` is not supported");
    Ok(Route {
        channel,
        path: PathAndQuery::try_from(path)?,
        is_ours: souk_proto::descriptors().get_service_by_name(service.full_name()).is_some(),
        input: plan_of(&input)?,
        output: plan_of(&output)?,
        variables: variables(rule, &input)?,
        body: rule.body.clone(),
        masked: masked(rule, &input)?.as_ref().map(plan_of).transpose()?,
        success: success(&rpc.policy, &output)?,
        location: optional(&rpc.policy.location, |text| Location::compile(text, &output))?,
        version: optional(&rpc.policy.version_field, |path| FieldPath::string(path, &output))?,
        paging: Paging::of(&output),
        contract: contract(rule),
        headers: headers(&rpc.policy)?,
        rpc,
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
        let segments = &template.segments[variable.start..variable.end];
        variables.push(PathVariable {
            field: variable.field.clone(),
            start: variable.start,
            end: (segments.last() != Some(&Segment::Rest)).then_some(variable.end),
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
        is_scalar = !field.is_list() && field.kind().as_message().is_none();
        message = field.kind().as_message().cloned();
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

fn success(policy: &Policy, output: &MessageDescriptor) -> anyhow::Result<StatusCode> {
    Ok(match policy.success_status {
        0 if output.full_name() == "google.protobuf.Empty" => StatusCode::NO_CONTENT,
        0 => StatusCode::OK,
        status => StatusCode::from_u16(u16::try_from(status)?)?,
    })
}
