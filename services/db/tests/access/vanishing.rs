use std::time::Duration;

use tokio::time::timeout;

use crate::support::{PATIENCE, soon, world_behind_a_proxy};

#[tokio::test]
async fn a_database_that_vanishes_without_a_word_is_noticed_and_healed() {
    let (world, proxy) = world_behind_a_proxy(2).await;
    let probe = world.database.probe();
    world.note("before").await.unwrap();
    assert!(probe().await);

    let access = world.access();
    let slow = sqlx::query("select pg_sleep(0.2)").execute(&access);
    let vanishing = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        proxy.vanish();
    };
    // its answer never comes: it does not wait as long as its caller would
    let (answer, ()) = timeout(PATIENCE / 2, async { tokio::join!(slow, vanishing) })
        .await
        .expect("somebody notices that the database has gone");
    assert!(souk_db::is_transient(&answer.unwrap_err()));
    assert!(!probe().await, "the probe says that the database is there");
    // nobody is kept waiting meanwhile
    let short = world.database.within(Duration::from_millis(50));
    assert!(sqlx::query("select").execute(&short).await.is_err());

    proxy.reappear();
    soon("the database is found again", || async { world.note("after").await.is_ok() }).await;
    soon("the probe says so", || probe()).await;
    assert_eq!(world.notes("after").await, 1);
    // all connections are good ones
    for number in 0..4 {
        let notes = [format!("then {number}"), format!("too {number}")];
        let (one, other) = tokio::join!(world.note(&notes[0]), world.note(&notes[1]));
        assert!(one.is_ok() && other.is_ok());
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_error_of_one_caller() {
    let (world, proxy) = world_behind_a_proxy(1).await;
    world.note("before").await.unwrap();
    let lost = proxy.lose_request("insert into notes");
    assert!(souk_db::is_transient(&world.note("lost").await.unwrap_err()));
    assert!(lost.yet());
    world.note("after").await.unwrap();
    assert_eq!((world.notes("lost").await, world.notes("after").await), (0, 1));
}
