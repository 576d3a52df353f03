use std::time::{Duration, Instant};

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use futures::future::join_all;
use souk_proto::souk::auth::v1::CreateTokenRequest;
use tonic_types::StatusExt as _;

use crate::support::{EMAIL, PASSWORD, World, claims, fields, part, reason, world};

#[tokio::test]
async fn a_password_gets_a_token_for_every_service() {
    let world = world().await;
    let user = world.register(EMAIL).await.unwrap();
    let token = world.sign_in(EMAIL, PASSWORD).await.unwrap();
    assert_eq!((token.token_type.as_str(), token.expires_in), ("Bearer", 900));
    assert_eq!(token.scope, "");
    assert_eq!(token.refresh_token.unwrap().len(), 43);

    let header = part(&token.access_token, 0);
    assert_eq!((&header["alg"], &header["typ"]), (&"EdDSA".into(), &"at+jwt".into()));
    let claims = claims(&token.access_token);
    assert_eq!((claims.iss.as_str(), claims.aud.as_str()), ("souk", "souk"));
    assert_eq!(claims.sub, user.id);
    assert!(claims.sid.starts_with("ses_"));
    assert_eq!(claims.exp - claims.iat, 900);
    assert!(!claims.jti.is_empty());
    assert_eq!(world.audited("session.create").await, 1);
}

#[tokio::test]
async fn an_unknown_email_and_a_wrong_password_answer_the_same() {
    let world = world().await;
    world.register(EMAIL).await.unwrap();
    let wrong = world.sign_in(EMAIL, "wrong horse battery staple").await.unwrap_err();
    for username in ["nobody@example.com", "not an address", "ada@example.com "] {
        let unknown = world.sign_in(username, PASSWORD).await.unwrap_err();
        assert_eq!(unknown.code(), wrong.code());
        assert_eq!(unknown.message(), wrong.message());
        assert_eq!(unknown.details(), wrong.details());
    }
    assert_eq!(wrong.get_error_details().error_info().unwrap().reason, "INVALID_CREDENTIALS");
    assert_eq!(world.count("sessions").await, 0);
}

#[tokio::test]
async fn an_unknown_email_costs_what_a_wrong_password_costs() {
    let world = world().await;
    world.register(EMAIL).await.unwrap();
    let mut wrong = Duration::MAX;
    let mut unknown = Duration::MAX;
    // the fastest of several: the others were held up by something else
    for _ in 0..8 {
        wrong = wrong.min(time(&world, EMAIL).await);
        unknown = unknown.min(time(&world, "nobody@example.com").await);
    }
    assert!(unknown > wrong / 2 && unknown < wrong * 2, "{unknown:?} and {wrong:?}");
}

async fn time(world: &World, username: &str) -> Duration {
    let begin = Instant::now();
    world.sign_in(username, "wrong horse battery staple").await.unwrap_err();
    begin.elapsed()
}

#[tokio::test]
async fn a_hash_of_other_parameters_is_replaced_at_the_next_sign_in() {
    let world = world().await;
    world.register(EMAIL).await.unwrap();
    let weaker = Params::new(8 * 1024, 1, 1, None).unwrap();
    let weaker = Argon2::new(Algorithm::Argon2id, Version::V0x13, weaker);
    let old = weaker.hash_password(PASSWORD.as_bytes()).unwrap().to_string();
    world.sql(&format!("update accounts set password_hash = '{old}'")).await;

    let is_current = "accounts where password_hash like '$argon2id$v=19$m=19456,t=2,p=1$%'";
    assert_eq!(reason(world.sign_in(EMAIL, "wrong horse battery").await), "INVALID_CREDENTIALS");
    assert_eq!(world.count(is_current).await, 0);
    world.sign_in(EMAIL, PASSWORD).await.unwrap();
    assert_eq!(world.count(is_current).await, 1);
    world.sign_in(EMAIL, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_grant_without_its_fields_is_told_which() {
    let world = world().await;
    let missing = async |grant_type: &str| {
        let grant_type = grant_type.to_owned();
        fields(world.token(CreateTokenRequest { grant_type, ..Default::default() }).await)
    };
    assert_eq!(missing("password").await, ["username", "password"]);
    assert_eq!(missing("refresh_token").await, ["refresh_token"]);
    assert_eq!(missing("client_credentials").await, ["client_id", "client_secret", "audience"]);
    assert_eq!(missing("implicit").await, ["grant_type"]);
}

#[tokio::test]
async fn more_sign_ins_than_can_wait_are_asked_to_come_again() {
    let world = world().await;
    let attempts = (0..120).map(|_| world.sign_in("nobody@example.com", PASSWORD));
    let answers = join_all(attempts).await.into_iter().map(Result::unwrap_err);
    let (busy, wrong): (Vec<_>, Vec<_>) = answers
        .map(|status| status.get_error_details())
        .partition(|details| details.error_info().unwrap().reason == "OVERLOADED");
    assert!(!busy.is_empty());
    assert!(wrong.len() >= 66, "{}", wrong.len());
    assert!(busy.iter().all(|details| details.retry_info().is_some()));
}
