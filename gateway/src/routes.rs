//! What a route needs to know, worked out once from the contract of its RPC.

use anyhow::{Context as _, ensure};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode};
use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};
use souk_kit::Channel;
use souk_kit::policy::Rpc;
use souk_proto::descriptors;
use souk_proto::souk::policy::v1::Policy;

use crate::Upstream;
use crate::http_rules::{BodyRule, HttpRule, rules_of};
use crate::location::Location;
use crate::transcode::{MessageId, Plans};

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
    /// The request message.
    pub input: MessageId,
    /// The response message.
    pub output: MessageId,
    /// The fields that the variables of the path are, in their order.
    pub variables: Vec<String>,
    /// What the body is.
    pub body: BodyRule,
    /// The message whose keys make the mask of a PATCH; `None` when there is no mask to make.
    pub masked: Option<MessageId>,
    /// The status of a success.
    pub success: StatusCode,
    /// The `Location` of a success.
    pub location: Option<Location>,
    /// The `Cache-Control` of a success.
    pub cache_control: HeaderValue,
}

/// The routes of services, each with its rule, and the transcoding plans
/// of their messages. RPCs that stream have no route.
pub(crate) fn compile(upstreams: &[Upstream]) -> anyhow::Result<(Vec<(HttpRule, Route)>, Plans)> {
    let mut exposed = Vec::new();
    for Upstream { name, channel, .. } in upstreams {
        let service = descriptors()
            .get_service_by_name(name)
            .with_context(|| format!("no contract has the service {name}"))?;
        for method in service.methods() {
            let is_unary = !method.is_client_streaming() && !method.is_server_streaming();
            let rules = if is_unary { rules_of(&method) } else { Ok(Vec::new()) };
            let rules = rules.with_context(|| method.full_name().to_owned())?;
            exposed.extend(rules.into_iter().map(|rule| (rule, method.clone(), channel)));
        }
    }
    let messages = exposed.iter().flat_map(|(_, method, _)| [method.input(), method.output()]);
    let plans = Plans::compile(messages)?;

    let mut routes = Vec::new();
    for (rule, method, channel) in exposed {
        let route = compile_route(&rule, &method, channel.clone(), &plans)
            .with_context(|| format!("{} at {}", method.full_name(), rule.path))?;
        routes.push((rule, route));
    }
    Ok((routes, plans))
}

fn compile_route(
    rule: &HttpRule,
    method: &MethodDescriptor,
    channel: Channel,
    plans: &Plans,
) -> anyhow::Result<Route> {
    let (input, output) = (method.input(), method.output());
    let rpc = Rpc::of(method).context("the rpc has no policy")?;
    for variable in &rule.variables {
        check_variable(&input, variable)?;
    }
    let plan_of = |message: &MessageDescriptor| {
        plans.message(message.full_name()).context("a message has no plan")
    };
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    Ok(Route {
        channel,
        path: PathAndQuery::try_from(path)?,
        input: plan_of(&input)?,
        output: plan_of(&output)?,
        variables: rule.variables.clone(),
        body: rule.body.clone(),
        masked: masked(rule, &input)?.as_ref().map(plan_of).transpose()?,
        success: success(&rpc.policy, &output)?,
        location: match rpc.policy.location.as_str() {
            "" => None,
            template => Some(Location::compile(template, &output)?),
        },
        cache_control: match rpc.policy.cache_control.as_str() {
            "" => HeaderValue::from_static("no-store"),
            value => HeaderValue::try_from(value)?,
        },
        rpc,
    })
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
    Ok(body.filter(|_| has_mask && rule.method == Method::PATCH))
}

fn success(policy: &Policy, output: &MessageDescriptor) -> anyhow::Result<StatusCode> {
    Ok(match policy.success_status {
        0 if output.full_name() == "google.protobuf.Empty" => StatusCode::NO_CONTENT,
        0 => StatusCode::OK,
        status => StatusCode::from_u16(u16::try_from(status)?)?,
    })
}
