//! One request's way to an RPC and back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::response::Response;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use souk_kit::request::Context;
use souk_proto::souk::types::v1::Reason;
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::client::Grpc;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::Options;
use crate::body;
use crate::codec::WireBytes;
use crate::errors::Problem;
use crate::http_rules::BodyRule;
use crate::input::{Given, Media, to_wire};
use crate::routes::Route;
use crate::transcode::Plans;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
pub(crate) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The metadata with which a service chooses another status than the contract's: 202, for example.
const HTTP_CODE: &str = "x-http-code";

/// What all routes share.
pub(crate) struct Calls {
    plans: Plans,
    permits: Semaphore,
    max_body: usize,
    body_idle: Duration,
}

impl Calls {
    pub(crate) fn new(plans: Plans, options: &Options) -> Self {
        Self {
            plans,
            permits: Semaphore::new(options.max_calls),
            max_body: options.max_body,
            body_idle: options.body_idle,
        }
    }

    /// Answers a request with an RPC.
    pub(crate) async fn call(
        &self,
        route: &Route,
        path: Result<RawPathParams, RawPathParamsRejection>,
        request: Request,
    ) -> Result<Response, Problem> {
        let Some(context) = request.extensions().get::<Arc<Context>>().cloned() else {
            return Err(Problem::new(Reason::Internal, "internal error"));
        };
        let Ok(_permit) = self.permits.try_acquire() else {
            return Err(Problem::new(Reason::Overloaded, "too many calls at once"));
        };
        let path =
            path.map_err(|_| Problem::new(Reason::MalformedRequest, "the path is not UTF-8"))?;
        let (Parts { headers, uri, .. }, body) = request.into_parts();
        let (media, body) = self.read(route, &headers, body).await?;
        let path: Vec<&str> = path.iter().map(|(_, value)| value).collect();
        let query = uri.query().unwrap_or_default();
        let given = Given { path: &path, query, media, body: &body };
        let wire = to_wire(&self.plans, route, &given)?;

        let mut outgoing = context.outgoing(Bytes::from(wire));
        forward(AUTHORIZATION.as_str(), headers.get(AUTHORIZATION), outgoing.metadata_mut());
        forward(IDEMPOTENCY_KEY, headers.get(IDEMPOTENCY_KEY), outgoing.metadata_mut());
        let answer = invoke(route, outgoing)
            .await
            .map_err(|status| Problem::from_status(&status, &context))?;
        self.answer(route, &answer).map_err(|error| Problem::internal(&context, &error))
    }

    /// The body, where the route takes one.
    async fn read(
        &self,
        route: &Route,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Media, Bytes), Problem> {
        if route.body == BodyRule::Ignored || http_body::Body::is_end_stream(&body) {
            return Ok((Media::Json, Bytes::new()));
        }
        let media = body::media(headers)?;
        if media == Media::Form && route.body != BodyRule::Whole {
            let message = "the body must be application/json";
            return Err(Problem::new(Reason::UnsupportedMediaType, message));
        }
        Ok((media, body::read(body, self.max_body, self.body_idle).await?))
    }

    fn answer(&self, route: &Route, answer: &tonic::Response<Bytes>) -> Result<Response, String> {
        let status = chosen_status(answer.metadata()).unwrap_or(route.success);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, route.cache_control.clone());
        let location = route.location.as_ref();
        if let Some(location) = location.and_then(|location| location.render(answer.get_ref())) {
            headers.insert(LOCATION, location);
        }
        if is_replayed(answer.metadata()) {
            headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        if status != StatusCode::NO_CONTENT {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let mut json = Vec::new();
            self.plans
                .wire_to_json(route.output, answer.get_ref(), &mut json)
                .map_err(|error| format!("{}: {error}", route.rpc))?;
            *response.body_mut() = Body::from(json);
        }
        Ok(response)
    }
}

async fn invoke(
    route: &Route,
    request: tonic::Request<Bytes>,
) -> Result<tonic::Response<Bytes>, Status> {
    let codec = WireBytes::for_request(request.get_ref());
    let mut client = Grpc::new(route.channel.clone());
    client.ready().await.map_err(Status::from_error)?;
    client.unary(request, route.rpc.clone(), codec).await
}

/// Whether the answer is that of an earlier call with the same idempotency key.
pub(crate) fn is_replayed(metadata: &MetadataMap) -> bool {
    metadata.get(IDEMPOTENT_REPLAYED.as_str()).is_some_and(|replayed| replayed == "true")
}

/// Passes a header on. One that gRPC cannot carry is left out, as if it had not been sent.
fn forward(name: &'static str, value: Option<&HeaderValue>, metadata: &mut MetadataMap) {
    let value = value.and_then(|value| MetadataValue::try_from(value.as_bytes()).ok());
    if let Some(value) = value {
        metadata.insert(name, value);
    }
}

/// The status that the service has chosen, if it means success.
fn chosen_status(metadata: &MetadataMap) -> Option<StatusCode> {
    let code = metadata.get(HTTP_CODE)?;
    StatusCode::from_bytes(code.as_bytes()).ok().filter(StatusCode::is_success)
}
