use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use souk_proto::souk::auth::v1::RevokeTokenRequest;
use tokio_util::sync::CancellationToken;

use crate::support::{
    EMAIL, PASSWORD, World, claims, client, reason, refresh_request, secret, start, world,
};

/// Makes every exchange so far older.
async fn pass(world: &World, seconds: u32) {
    world
        .sql(&format!("update refresh_tokens set rotated_at = rotated_at - interval '{seconds} s'"))
        .await;
}

async fn revoke(world: &World, token: &str) {
    let request = RevokeTokenRequest { token: token.to_owned(), ..Default::default() };
    world.client.clone().revoke_token(request).await.unwrap();
}

async fn is_refused(world: &World, token: &str) -> bool {
    reason(world.refresh(token).await) == "INVALID_CREDENTIALS"
}

#[tokio::test]
async fn a_session_goes_on_from_token_to_token() {
    let world = world().await;
    let mut refresh = world.session().await;
    let mut sessions = HashSet::new();
    let mut tokens = HashSet::new();
    for _ in 0..5 {
        let token = world.refresh(&refresh).await.unwrap();
        sessions.insert(claims(&token.access_token).sid);
        refresh = token.refresh_token.unwrap();
        tokens.insert((refresh.clone(), claims(&token.access_token).jti));
    }
    assert_eq!((sessions.len(), tokens.len()), (1, 5));
    let week = "refresh_tokens where expires_at - created_at = interval '7 days'";
    assert_eq!(world.count(week).await, 6);
}

#[tokio::test]
async fn a_retry_within_ten_seconds_gets_the_same_successor() {
    let world = world().await;
    let stale = world.session().await;
    let first = world.refresh(&stale).await.unwrap();
    pass(&world, 9).await;
    let second = world.refresh(&stale).await.unwrap();
    assert_eq!(first.refresh_token, second.refresh_token);
    assert!(world.refresh(&second.refresh_token.unwrap()).await.is_ok());
}

#[tokio::test]
async fn a_retry_at_another_process_gets_the_same_successor() {
    let world = world().await;
    let stale = world.session().await;
    let first = world.refresh(&stale).await.unwrap();
    let other = start(&world.options, secret()).await;
    let second = client(&other).create_token(refresh_request(&stale)).await.unwrap().into_inner();
    assert_eq!(first.refresh_token, second.refresh_token);
}

#[tokio::test]
async fn many_who_use_a_token_at_once_get_one_successor() {
    let world = world().await;
    let stale = world.session().await;
    let answers = join_all((0..16).map(|_| world.refresh(&stale))).await;
    let successors: HashSet<_> =
        answers.into_iter().map(|answer| answer.unwrap().refresh_token.unwrap()).collect();
    assert_eq!(successors.len(), 1);
    assert_eq!(world.count("refresh_tokens").await, 2);
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_the_session() {
    let world = world().await;
    let stolen = world.session().await;
    let owners = world.refresh(&stolen).await.unwrap().refresh_token.unwrap();
    pass(&world, 11).await;
    assert!(is_refused(&world, &stolen).await);
    assert!(is_refused(&world, &owners).await);
    // once: whoever has it cannot fill the log
    assert!(is_refused(&world, &stolen).await);
    assert_eq!(world.audited("session.revoke_on_reuse").await, 1);
}

#[tokio::test]
async fn a_retry_after_the_successor_was_used_ends_the_session() {
    let world = world().await;
    let stolen = world.session().await;
    let owners = world.refresh(&stolen).await.unwrap().refresh_token.unwrap();
    let latest = world.refresh(&owners).await.unwrap().refresh_token.unwrap();
    assert!(is_refused(&world, &stolen).await);
    assert!(is_refused(&world, &latest).await);
    assert_eq!(world.audited("session.revoke_on_reuse").await, 1);
}

#[tokio::test]
async fn the_other_sessions_of_an_account_go_on() {
    let world = world().await;
    let stolen = world.session().await;
    let other = world.sign_in(EMAIL, PASSWORD).await.unwrap();
    world.refresh(&stolen).await.unwrap();
    pass(&world, 11).await;
    assert!(is_refused(&world, &stolen).await);
    assert!(world.refresh(&other.refresh_token.unwrap()).await.is_ok());
}

#[tokio::test]
async fn an_unknown_or_expired_refresh_token_is_refused() {
    let world = world().await;
    let token = world.session().await;
    assert!(is_refused(&world, "made up").await);
    world.sql("update refresh_tokens set expires_at = now() - interval '1 s'").await;
    assert!(is_refused(&world, &token).await);
    assert_eq!(world.audited("session.revoke_on_reuse").await, 0);
}

#[tokio::test]
async fn a_revoked_session_is_over() {
    let world = world().await;
    let stale = world.session().await;
    let token = world.refresh(&stale).await.unwrap().refresh_token.unwrap();
    revoke(&world, &token).await;
    assert!(is_refused(&world, &token).await);
    assert!(is_refused(&world, &stale).await);
    assert_eq!(world.audited("session.revoke").await, 1);
}

#[tokio::test]
async fn revoking_answers_the_same_for_a_token_that_nobody_has() {
    let world = world().await;
    let token = world.session().await;
    revoke(&world, "made up").await;
    revoke(&world, &token).await;
    revoke(&world, &token).await;
    assert_eq!(world.audited("session.revoke").await, 1);
}

#[tokio::test]
async fn the_database_cannot_be_used_to_sign_in() {
    let world = world().await;
    let stale = world.session().await;
    let token = world.refresh(&stale).await.unwrap();
    let rows = "select concat((select string_agg(t::text, ' ') from refresh_tokens t),
                              (select string_agg(a::text, ' ') from audit_log a))";
    let stored: String = sqlx::query_scalar(rows).fetch_one(&world.pool).await.unwrap();
    for secret in [stale, token.refresh_token.unwrap(), token.access_token] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!stored.contains(&secret) && !stored.contains(&hex));
    }
}

#[tokio::test]
async fn expired_tokens_and_their_sessions_are_forgotten() {
    let world = world().await;
    let token = world.session().await;
    world.sign_in(EMAIL, PASSWORD).await.unwrap();
    let session = claims(&world.refresh(&token).await.unwrap().access_token).sid;
    let session: souk_kit::id::SessionId = session.parse().unwrap();
    let past = "update refresh_tokens set expires_at = now() - interval '1 s'";
    world.sql(&format!("{past} where session_id = '{}'", session.uuid())).await;

    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let (auth, shutdown) = (world.auth.clone(), shutdown.clone());
        async move { auth.run(shutdown).await }
    });
    let forgotten = async {
        while world.count("sessions").await > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), forgotten).await.unwrap();
    assert_eq!(world.count("refresh_tokens").await, 1);
    shutdown.cancel();
    running.await.unwrap();
}
