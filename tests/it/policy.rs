//! Nobody gets in where the contract does not say so: every RPC, with every kind of token, against
//! the policy of the contract. Nothing here names an RPC.

use std::collections::BTreeSet;

use http::{Method, StatusCode, uri::PathAndQuery};
use prost_reflect::{DynamicMessage, MethodDescriptor};
use souk_kit::Channel;
use souk_kit::auth::AUDIENCE;
use souk_proto::souk::policy::v1::policy::Access;
use souk_proto::{descriptors, policy_of};
use tonic::{Code, Status};

use crate::support::{Databases, Suite, forge, signed};

/// Kinds of callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Nobody,
    Garbage,
    Expired,
    OtherAudience,
    User,
    OtherUser,
    Admin,
    Service,
}

/// What a policy means for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Admitted,
    Unauthenticated,
    Denied,
}

const ADMIN_SCOPES: [&str; 5] =
    ["catalog:write", "stock:write", "orders:read_all", "orders:fulfill", "orders:refund"];
const SERVICE_SCOPES: [&str; 1] = ["stock:reserve"];

fn expected(access: &Access, caller: Caller, service: &str) -> Verdict {
    let scopes: &[&str] = match (access, caller) {
        (Access::Public(_), _) => return Verdict::Admitted,
        (_, Caller::Nobody | Caller::Garbage | Caller::Expired | Caller::OtherAudience) => {
            return Verdict::Unauthenticated;
        }
        // the token of the orders service is for the catalog and for nobody else
        (_, Caller::Service) if !service.starts_with("souk.catalog.") => {
            return Verdict::Unauthenticated;
        }
        (Access::SignedIn(_), _) => return Verdict::Admitted,
        (Access::Scope(_), Caller::User | Caller::OtherUser) => &[],
        (Access::Scope(_), Caller::Admin) => &ADMIN_SCOPES,
        (Access::Scope(_), Caller::Service) => &SERVICE_SCOPES,
    };
    match access {
        Access::Scope(scope) if scopes.contains(&scope.as_str()) => Verdict::Admitted,
        _ => Verdict::Denied,
    }
}

/// A suite, and those who call it.
async fn suite_and_callers() -> (Suite, Vec<(Caller, String)>) {
    let (databases, scope) = (Databases::create().await, ADMIN_SCOPES.join(" "));
    let mut auth = databases.connect("auth").await;
    let expired = forge(&mut auth, AUDIENCE, &scope, -60).await;
    let elsewhere = forge(&mut auth, "another-shop", &scope, 600).await;
    let suite = Suite::start_on(databases, &[]);
    let callers = vec![
        (Caller::Nobody, String::new()),
        (Caller::Garbage, "garbage".to_owned()),
        (Caller::Expired, expired),
        (Caller::OtherAudience, elsewhere),
        (Caller::User, suite.user().await),
        (Caller::OtherUser, suite.user().await),
        (Caller::Admin, suite.admin().await),
        (Caller::Service, suite.service().await),
    ];
    (suite, callers)
}

fn methods() -> Vec<MethodDescriptor> {
    let services =
        descriptors().services().filter(|service| service.full_name().starts_with("souk."));
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// Calls an RPC with an empty message, which no RPC that changes anything takes for valid.
async fn call(channel: Channel, method: &MethodDescriptor, token: &str) -> Result<(), Status> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path: PathAndQuery = path.parse().unwrap();
    let message = DynamicMessage::new(method.input());
    let mut request = signed(token, futures::stream::iter([message]));
    request.metadata_mut().insert("idempotency-key", "matrix".parse().unwrap());
    if token.is_empty() {
        request.metadata_mut().remove("authorization");
    }
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let codec = DynamicCodec(method.output());
    client.streaming(request, path, codec).await.map(drop)
}

fn is_of_our_side(code: Code) -> bool {
    use Code::{DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    matches!(code, DeadlineExceeded | Internal | Unavailable | Unimplemented | Unknown)
}

#[tokio::test]
async fn every_rpc_admits_whom_its_policy_names_and_nobody_else() {
    let (suite, callers) = suite_and_callers().await;
    let mut checked = 0;
    let mut wrong = Vec::new();
    for method in methods() {
        let access = policy_of(&method).expect("a policy").access.expect("an access rule");
        let service = method.parent_service().full_name().to_owned();
        let channel = suite.channel(&service);
        for (caller, token) in &callers {
            let verdict = match call(channel.clone(), &method, token).await {
                Err(status) if status.code() == Code::Unauthenticated => Verdict::Unauthenticated,
                Err(status) if status.code() == Code::PermissionDenied => Verdict::Denied,
                // not served, or no answer: that says nothing about who may call it
                Err(status) if is_of_our_side(status.code()) => {
                    panic!("{} as {caller:?}: {status}", method.full_name())
                }
                _ => Verdict::Admitted,
            };
            let expected = expected(&access, *caller, &service);
            if verdict != expected {
                wrong.push(format!(
                    "{} as {caller:?}: {verdict:?}, not {expected:?}",
                    method.name()
                ));
            }
            checked += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{checked} combinations of rpc and caller checked");
    assert!(checked >= 27 * callers.len());
}

#[tokio::test]
async fn every_route_admits_whom_the_policy_of_its_rpc_names() {
    let (suite, callers) = suite_and_callers().await;
    let mut routes = BTreeSet::new();
    for method in methods() {
        let access = policy_of(&method).expect("a policy").access.expect("an access rule");
        let Some((verb, path)) = route(&method) else { continue };
        routes.insert(format!("{verb} {path}"));
        for (caller, token) in &callers {
            // the audience of a service's token is not the business of outsiders
            if *caller == Caller::Service {
                continue;
            }
            let bearer = format!("Bearer {token}");
            let mut headers =
                vec![("content-type", "application/json"), ("idempotency-key", "matrix")];
            if *caller != Caller::Nobody {
                headers.push(("authorization", &bearer));
            }
            let body = if verb == Method::GET { "" } else { "{}" };
            let http = suite.http();
            // a stream may go on for ever: how it begins says who may follow it
            let status = http.begins(verb.clone(), &path, &headers, body).await;
            let verdict = match status {
                StatusCode::UNAUTHORIZED => Verdict::Unauthenticated,
                StatusCode::FORBIDDEN => Verdict::Denied,
                // no answer to the call: that says nothing about who may make it
                status if status.is_server_error() => {
                    panic!("{verb} {path} as {caller:?}: {status}")
                }
                _ => Verdict::Admitted,
            };
            let service = method.parent_service().full_name().to_owned();
            assert_eq!(
                verdict,
                expected(&access, *caller, &service),
                "{verb} {path} as {caller:?}"
            );
        }
    }
    assert!(routes.len() >= 22, "{routes:?}");
}

/// The route of an RPC, with ids that are no ids.
fn route(method: &MethodDescriptor) -> Option<(Method, String)> {
    let extension = descriptors().get_extension_by_name("google.api.http")?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    let rule = options.get_extension(&extension).into_owned();
    let rule = rule.as_message()?.clone();
    ["get", "put", "post", "delete", "patch"].into_iter().find_map(|verb| {
        let path = rule.get_field_by_name(verb)?.into_owned();
        let path = path.as_str().filter(|path| !path.is_empty())?;
        let segments = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
        Some((verb.to_uppercase().parse().ok()?, segments.collect::<Vec<_>>().join("/")))
    })
}

/// A codec for messages of which only the descriptor is known.
struct DynamicCodec(prost_reflect::MessageDescriptor);

impl tonic::codec::Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        DynamicDecoder(self.0.clone())
    }
}

struct DynamicEncoder;

impl tonic::codec::Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(
        &mut self,
        item: Self::Item,
        target: &mut tonic::codec::EncodeBuf<'_>,
    ) -> Result<(), Status> {
        use prost::Message as _;
        item.encode(target).map_err(|error| Status::internal(error.to_string()))
    }
}

struct DynamicDecoder(prost_reflect::MessageDescriptor);

impl tonic::codec::Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(
        &mut self,
        source: &mut tonic::codec::DecodeBuf<'_>,
    ) -> Result<Option<Self::Item>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), source);
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
