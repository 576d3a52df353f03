//! Accounts and tokens over REST.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{PASSWORD, Response, Suite, unique};

async fn post(suite: &Suite, path: &str, body: serde_json::Value) -> Response {
    let headers = [("content-type", "application/json")];
    suite.http().send(Method::POST, path, &headers, &body.to_string()).await.unwrap()
}

async fn post_form(suite: &Suite, path: &str, body: &str) -> Response {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    suite.http().send(Method::POST, path, &headers, body).await.unwrap()
}

#[tokio::test]
async fn an_account_is_registered_signs_in_and_reads_itself() {
    let suite = Suite::start().await;
    let email = format!("{}@example.com", unique("Jane"));
    let account = json!({ "email": email, "password": PASSWORD, "name": "Jane" });
    let registered = post(&suite, "/v1/auth/register", account.clone()).await;
    assert_eq!(registered.status, StatusCode::CREATED);
    assert_eq!(registered.json()["roles"], json!(["user"]));
    assert_eq!(post(&suite, "/v1/auth/register", account).await.status, StatusCode::CONFLICT);

    let form =
        format!("grant_type=password&username={email}&password={}", PASSWORD.replace(' ', "+"));
    let token = post_form(&suite, "/v1/auth/token", &form).await;
    assert_eq!(token.status, StatusCode::OK);
    assert_eq!(token.header("cache-control"), "no-store");
    let token = token.json();
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["expires_in"], 900);
    let me = suite.http().get_as(token["access_token"].as_str().unwrap(), "/v1/me").await;
    assert_eq!(me.json()["id"], registered.json()["id"]);

    let refresh = json!({ "grant_type": "refresh_token", "refresh_token": token["refresh_token"] });
    let next = post(&suite, "/v1/auth/token", refresh).await.json();
    assert_ne!(next["refresh_token"], token["refresh_token"]);
    let revoke = json!({ "token": next["refresh_token"] });
    assert_eq!(post(&suite, "/v1/auth/revoke", revoke).await.status, StatusCode::OK);
    let refresh = json!({ "grant_type": "refresh_token", "refresh_token": next["refresh_token"] });
    let refused = post(&suite, "/v1/auth/token", refresh).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::UNAUTHORIZED, "INVALID_CREDENTIALS".to_owned())
    );
}

#[tokio::test]
async fn the_public_keys_verify_the_tokens_and_may_be_cached() {
    let suite = Suite::start().await;
    let keys = suite.http().get("/.well-known/jwks.json").await;
    assert!(keys.header("cache-control").contains("max-age"));
    let key = &keys.json()["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["use"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("sig"))
    );
    let token = suite.user().await;
    let header = token.split('.').next().unwrap();
    use base64::Engine as _;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    assert_eq!((&header["kid"], &header["typ"]), (&key["kid"], &json!("at+jwt")));
}
