//! Nobody gets in where the contract does not say so: every RPC, with every kind of token, against
//! the policy of the contract. Nothing here names an RPC.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{Method, StatusCode, uri::PathAndQuery};
use prost_reflect::{DynamicMessage, MethodDescriptor};
use souk_kit::auth::{AUDIENCE, Claims, ISSUER, SigningKey};
use souk_kit::id::{self, kind};
use souk_kit::{Channel, Id};
use souk_proto::souk::policy::v1::policy::Access;
use souk_proto::{descriptors, policy_of};
use tonic::{Code, Status};

use crate::support::{Suite, signed};

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

const ADMIN_SCOPES: [&str; 3] = ["catalog:write", "stock:write", "orders:read_all"];
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

/// A token that was right once, or is right elsewhere: signed with a key that the suite trusts.
async fn forge(suite: &Suite, audience: &str, expires_in: i64) -> String {
    let key = SigningKey::new(id::new::<kind::Session>().to_string(), &[7; 32]);
    let mut database = suite.database("auth").await;
    sqlx::query(
        "insert into signing_keys (kid, public_key, sealed_key, state, retired_at)
         values ($1, $2, ''::bytea, 'retired', now())
         on conflict do nothing",
    )
    .bind(key.kid())
    .bind(key.public())
    .execute(&mut database)
    .await
    .unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    let subject: Id<kind::User> = id::new();
    let session: Id<kind::Session> = id::new();
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: audience.to_owned(),
        sub: subject.to_string(),
        iat: now - 1000,
        exp: now + expires_in,
        jti: "1".to_owned(),
        sid: session.to_string(),
        scope: ADMIN_SCOPES.join(" "),
    };
    key.sign(&claims).unwrap()
}

async fn tokens(suite: &Suite) -> Vec<(Caller, String)> {
    vec![
        (Caller::Nobody, String::new()),
        (Caller::Garbage, "garbage".to_owned()),
        (Caller::Expired, forge(suite, AUDIENCE, -60).await),
        (Caller::OtherAudience, forge(suite, "another-shop", 600).await),
        (Caller::User, suite.user().await),
        (Caller::OtherUser, suite.user().await),
        (Caller::Admin, suite.admin().await),
        (Caller::Service, suite.service().await),
    ]
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
    let suite = Suite::start().await;
    let callers = tokens(&suite).await;
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
    let suite = Suite::start().await;
    let callers = tokens(&suite).await;
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
            let response = suite.http().send(verb.clone(), &path, &headers, body).await.unwrap();
            let verdict = match response.status {
                StatusCode::UNAUTHORIZED => Verdict::Unauthenticated,
                StatusCode::FORBIDDEN => Verdict::Denied,
                // no answer to the call: that says nothing about who may make it
                status if status.is_server_error() => {
                    panic!("{verb} {path} as {caller:?}: {status} {}", response.code())
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
