use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use souk_auth::{Auth, Error, MIGRATOR};
use souk_db::Database;
use souk_kit::Channel;
use souk_kit::secret::MasterSecret;
use souk_proto::souk::auth::v1::auth_service_client::AuthServiceClient;
use souk_proto::souk::auth::v1::{GetJwksRequest, Jwk};

use crate::support::{
    CLIENT_SECRET, World, auth_options, client, new_database, part, secret, service_request, start,
    world,
};

async fn published(world: &World) -> Vec<Jwk> {
    world.client.clone().get_jwks(GetJwksRequest {}).await.unwrap().into_inner().keys
}

#[tokio::test]
async fn two_processes_that_start_at_once_agree_on_the_key() {
    let options = new_database().await;
    let processes = join_all((0..6).map(|_| start(&options, secret()))).await;
    let mut kids = HashSet::new();
    for auth in &processes {
        let jwks = client(auth).get_jwks(GetJwksRequest {}).await.unwrap().into_inner();
        kids.extend(jwks.keys.into_iter().map(|key| key.kid));
        let request = service_request("orders", CLIENT_SECRET, "catalog");
        let token = client(auth).create_token(request).await.unwrap().into_inner();
        kids.insert(part(&token.access_token, 0)["kid"].as_str().unwrap().to_owned());
    }
    assert_eq!(kids.len(), 1);
}

#[tokio::test]
async fn a_process_with_another_secret_does_not_start_and_says_why() {
    let world = world().await;
    let database = Database::open(world.options.clone(), &MIGRATOR, 2).await.unwrap();
    let other = MasterSecret::new("another secret of at least 32 characters".into()).unwrap();
    let refused = Auth::start(database, auth_options(other)).await.err().unwrap();
    assert!(matches!(refused, Error::WrongSecret { .. }));
    assert!(refused.to_string().contains("is not the one that encrypted the keys"), "{refused}");
}

#[tokio::test]
async fn a_key_is_published_in_the_form_of_rfc_8037() {
    let world = world().await;
    let keys = published(&world).await;
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    assert_eq!((key.kty.as_str(), key.crv.as_str()), ("OKP", "Ed25519"));
    assert_eq!((key.alg.as_str(), key.r#use.as_str()), ("EdDSA", "sig"));
    assert_eq!((key.x.len(), key.kid.len()), (43, 43));
    assert_eq!(world.audited("signing_key.create").await, 1);
}

#[tokio::test]
async fn a_retired_key_is_published_until_its_last_token_has_expired() {
    let world = world().await;
    let add = async |kid: &str, state: &str, retired_at: &str| {
        world
            .sql(&format!(
                "insert into signing_keys (kid, state, public_key, sealed_key, retired_at)
                 values ('{kid}', '{state}', sha256('{kid}'), '', {retired_at})"
            ))
            .await;
    };
    add("next", "published", "null").await;
    add("last", "retired", "now() - interval '14 minutes'").await;
    add("old", "retired", "now() - interval '16 minutes'").await;
    let kids: HashSet<_> = published(&world).await.into_iter().map(|key| key.kid).collect();
    assert_eq!(kids.len(), 3);
    assert!(kids.contains("next") && kids.contains("last"));
}

#[tokio::test]
async fn the_keys_are_looked_up_once_for_all_who_ask_and_kept_for_a_moment() {
    let world = world().await;
    // who looks them up has to wait
    let lock = "lock table signing_keys in access exclusive mode";
    let mut locked = world.pool.begin().await.unwrap();
    sqlx::query(lock).execute(&mut *locked).await.unwrap();
    let asking = tokio::spawn({
        let client = world.client.clone();
        async move {
            let ask = |mut client: AuthServiceClient<Channel>| async move {
                client.get_jwks(GetJwksRequest {}).await.unwrap().into_inner().keys
            };
            join_all((0..20).map(|_| ask(client.clone()))).await
        }
    });
    let lookups = "pg_stat_activity where datname = current_database()
                   and wait_event_type = 'Lock' and query like '%signing_keys%'";
    let begun = async {
        while world.count(lookups).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(4), begun).await.unwrap();
    assert_eq!(world.count(lookups).await, 1);
    locked.rollback().await.unwrap();
    let answers = asking.await.unwrap();
    assert!(answers.iter().all(|keys| keys.len() == 1 && *keys == answers[0]));

    let mut locked = world.pool.begin().await.unwrap();
    sqlx::query(lock).execute(&mut *locked).await.unwrap();
    assert_eq!(published(&world).await, answers[0]);
}
