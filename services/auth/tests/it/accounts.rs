use std::fs;

use futures::future::join_all;
use souk_proto::souk::auth::v1::GetMeRequest;
use tonic::Request;

use crate::support::{EMAIL, PASSWORD, fields, password, reason, server, signed, world};

#[tokio::test]
async fn an_account_is_what_was_registered() {
    let world = world().await;
    let registered = world.register("Ada.Lovelace@Example.com").await.unwrap();
    assert!(registered.id.starts_with("usr_"));
    assert_eq!(registered.email, "Ada.Lovelace@Example.com");
    assert_eq!(registered.name, "Ada Lovelace");
    assert_eq!(registered.roles, ["user"]);
    assert!(registered.created_at.is_some());
    assert_eq!(world.audited("account.create").await, 1);

    let token = world.sign_in("ada.lovelace@example.com", PASSWORD).await.unwrap();
    let request = signed(GetMeRequest {}, &token.access_token);
    assert_eq!(world.client.clone().get_me(request).await.unwrap().into_inner(), registered);
}

#[tokio::test]
async fn an_email_has_one_account_in_any_case_of_letters() {
    let world = world().await;
    world.register(EMAIL).await.unwrap();
    assert_eq!(reason(world.register("ADA@Example.COM").await), "ALREADY_EXISTS");
    assert_eq!(world.count("accounts").await, 1);
    assert_eq!(world.audited("account.create").await, 1);
}

#[tokio::test]
async fn no_email_gets_into_the_log_of_the_database() {
    let world = world().await;
    world.register("unlogged@example.com").await.unwrap();
    world.register("unlogged@example.com").await.unwrap_err();
    world.sql("do $$ begin raise warning 'but this does'; end $$").await;
    let log = fs::read_to_string(server().await.data_dir().join("postgres.log")).unwrap();
    assert!(log.contains("but this does") && !log.contains("unlogged@"));
}

#[tokio::test]
async fn of_many_who_register_an_email_at_once_one_gets_it() {
    let world = world().await;
    let answers = join_all((0..8).map(|_| world.register(EMAIL))).await;
    let (created, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(created.len(), 1);
    assert!(refused.into_iter().all(|answer| reason(answer) == "ALREADY_EXISTS"));
}

#[tokio::test]
async fn a_leaked_password_is_refused() {
    let world = world().await;
    assert_eq!(fields(world.register_with(EMAIL, "qwertyuiop123", "Ada").await), ["password"]);
    assert_eq!(fields(world.register_with(EMAIL, "1Q2W3E4R5T6Y", "Ada").await), ["password"]);
}

#[tokio::test]
async fn the_email_or_the_name_is_no_password() {
    let world = world().await;
    assert_eq!(fields(world.register_with(EMAIL, "ADA@example.com", "Ada").await), ["password"]);
    let name = "Augusta Ada King";
    assert_eq!(fields(world.register_with(EMAIL, "augusta ada king", name).await), ["password"]);
}

#[tokio::test]
async fn a_registration_that_breaks_the_contract_is_told_every_field() {
    let world = world().await;
    let all = ["email", "password", "name"];
    assert_eq!(fields(world.register_with("ada", "elevenchars", " ").await), all);
    assert_eq!(fields(world.register_with(EMAIL, PASSWORD, "Ada\0").await), ["name"]);
}

#[tokio::test]
async fn only_a_person_has_an_account_to_read() {
    let world = world().await;
    let mut client = world.client.clone();
    assert_eq!(reason(client.get_me(Request::new(GetMeRequest {})).await), "UNAUTHENTICATED");
    let service = world.service_token("auth").await.access_token;
    assert_eq!(reason(client.get_me(signed(GetMeRequest {}, &service)).await), "PERMISSION_DENIED");
}

#[tokio::test]
async fn an_account_that_is_gone_is_not_found() {
    let world = world().await;
    world.register(EMAIL).await.unwrap();
    let token = world.sign_in(EMAIL, PASSWORD).await.unwrap().access_token;
    world.sql("delete from accounts").await;
    let answer = world.client.clone().get_me(signed(GetMeRequest {}, &token)).await;
    assert_eq!(reason(answer), "NOT_FOUND");
}

#[tokio::test]
async fn the_first_admin_is_created_once() {
    let world = world().await;
    assert!(!world.has_admin().await);
    let secret = password(PASSWORD);
    let ensure = || world.auth.ensure_admin(EMAIL, &secret);
    let created = join_all((0..4).map(|_| ensure())).await;
    assert_eq!(created.into_iter().filter(|created| *created.as_ref().unwrap()).count(), 1);
    assert!(!ensure().await.unwrap());
    assert!(world.has_admin().await);
    let token = world.sign_in(EMAIL, PASSWORD).await.unwrap();
    assert_eq!(
        token.scope,
        "catalog:write orders:fulfill orders:read_all orders:refund stock:write"
    );
}

#[tokio::test]
async fn an_account_becomes_admin_only_by_its_own_password() {
    let world = world().await;
    let refresh = world.session().await;
    let squatted = world.auth.ensure_admin("ADA@example.com", &password("another one")).await;
    assert!(matches!(squatted, Err(souk_auth::Error::InvalidCredentials)));
    assert!(!world.has_admin().await);
    assert!(!world.auth.ensure_admin("ADA@example.com", &password(PASSWORD)).await.unwrap());
    assert!(world.has_admin().await);
    assert_eq!(world.audited("account.grant_role").await, 1);
    world.sign_in(EMAIL, PASSWORD).await.unwrap();
    // the session that was there before has the role from its next token on
    let token = world.refresh(&refresh).await.unwrap();
    assert_eq!(
        token.scope,
        "catalog:write orders:fulfill orders:read_all orders:refund stock:write"
    );
}

#[tokio::test]
async fn an_admin_does_not_get_a_weak_password() {
    let world = world().await;
    assert!(world.auth.ensure_admin(EMAIL, &password("too short")).await.is_err());
    assert!(world.auth.ensure_admin("not an address", &password(PASSWORD)).await.is_err());
    assert!(!world.has_admin().await);
}
