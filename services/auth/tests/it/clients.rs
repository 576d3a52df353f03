use crate::support::{CLIENT_SECRET, claims, fields, reason, service_request, world};

#[tokio::test]
async fn a_service_gets_a_short_token_for_one_audience() {
    let world = world().await;
    let token = world.service_token("catalog").await;
    assert_eq!((token.expires_in, token.refresh_token), (300, None));
    assert_eq!(token.scope, "stock:reserve");
    let claims = claims(&token.access_token);
    assert_eq!((claims.aud.as_str(), claims.sub.as_str()), ("catalog", "service:orders"));
    assert_eq!((claims.sid.as_str(), claims.scope.as_str()), ("", "stock:reserve"));
    assert_eq!(claims.exp - claims.iat, 300);
}

#[tokio::test]
async fn an_unknown_client_and_a_wrong_secret_answer_the_same() {
    let world = world().await;
    let wrong = world.token(service_request("orders", "wrong", "catalog")).await.unwrap_err();
    let unknown = world.token(service_request("nobody", CLIENT_SECRET, "catalog")).await;
    let unknown = unknown.unwrap_err();
    assert_eq!((unknown.message(), unknown.details()), (wrong.message(), wrong.details()));
    assert_eq!(reason::<()>(Err(wrong)), "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn a_client_gets_no_token_for_a_service_that_it_may_not_call() {
    let world = world().await;
    let payments = service_request("orders", CLIENT_SECRET, "payments");
    assert_eq!(fields(world.token(payments).await), ["audience"]);
    // nor one for all of them
    let all = service_request("orders", CLIENT_SECRET, souk_kit::auth::AUDIENCE);
    assert_eq!(fields(world.token(all).await), ["audience"]);
    // who is nobody does not learn who may call whom
    let nobody = service_request("orders", "wrong", "payments");
    assert_eq!(reason(world.token(nobody).await), "INVALID_CREDENTIALS");
}
