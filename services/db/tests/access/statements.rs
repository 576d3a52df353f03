use std::time::Duration;

use futures::FutureExt as _;
use souk_testing::{Moment, leave_after};
use tokio::time::sleep;

use crate::support::{soon, world};

#[tokio::test]
async fn a_caller_that_leaves_at_any_moment_interrupts_nothing() {
    let world = world(1).await;
    let backend = world.backend().await;
    for moment in Moment::ALL {
        for polls in 0.. {
            let text = format!("leaving {moment:?} {polls}");
            let left = leave_after(polls, moment, world.note(&text)).await;
            // on the one connection there is
            world.note(&format!("honest {moment:?} {polls}")).await.unwrap();
            assert_eq!(world.notes(&format!("honest {moment:?} {polls}")).await, 1);
            if let Some(answer) = left {
                answer.unwrap();
                assert_eq!(world.notes(&text).await, 1);
                assert!(polls > 1, "the statement waited for nothing");
                break;
            }
        }
    }
    assert_eq!(world.backend().await, backend, "a connection was given up");
    world.test.assert_no_transaction_left_open().await;
}

#[tokio::test]
async fn what_was_begun_is_done_whether_or_not_its_caller_stays() {
    let world = world(1).await;
    let backend = world.backend().await;
    let access = world.access();
    let insert = "with slow as (select pg_sleep(0.1))
        insert into notes (part, text) select 0, 'slow' from slow";
    let call = sqlx::query(insert).execute(&access);
    // a connection is there: the first poll has the statement under way
    assert!(leave_after(1, Moment::Waiting, call).await.is_none());
    // who comes next waits for the connection, and finds it as it should be
    world.note("next").await.unwrap();
    assert_eq!(world.notes("slow").await, 1);
    assert_eq!(world.backend().await, backend, "the connection was given up");
}

#[tokio::test]
async fn a_late_statement_gives_its_connection_up_and_the_server_stops_it() {
    let world = world(1).await;
    let backend = world.backend().await;
    let access = world.database.within(Duration::from_millis(20));
    let late = sqlx::query("select pg_sleep(600)").execute(&access).await.unwrap_err();
    let failure = tonic::Status::from(souk_db::failure(&late));
    assert_eq!(failure.code(), tonic::Code::DeadlineExceeded);
    assert_ne!(world.backend().await, backend, "the connection is used again");
    soon("the server stops the statement", || async {
        world.test.count(&format!("pg_stat_activity where pid = {backend}")).await == 0
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_longer_for_a_connection_than_for_an_answer() {
    let world = world(1).await;
    let slow = world.access();
    let slow = sqlx::query("select pg_sleep(0.5)").execute(&slow);
    let impatient = async {
        sleep(Duration::from_millis(50)).await;
        let access = world.database.within(Duration::from_millis(50));
        sqlx::query("select").execute(&access).await
    };
    tokio::select! {
        biased;
        _ = slow => panic!("who had 50 ms waited for a statement of 500 ms"),
        refused = impatient => assert!(refused.is_err()),
    }
}

#[tokio::test]
async fn a_statement_that_is_refused_costs_no_connection() {
    let world = world(1).await;
    let backend = world.backend().await;
    world.note("once").await.unwrap();
    let refused = world.note("once").await.unwrap_err();
    assert_eq!(souk_db::constraint(&refused), Some("notes_text_key"));
    assert_eq!(world.backend().await, backend);
}

#[tokio::test]
async fn a_session_that_the_server_has_ended_is_not_used_again() {
    let world = world(1).await;
    let access = world.access();
    // two ways in which a server ends a session, each an error like any other at first sight
    let ended = sqlx::query("select pg_terminate_backend(pg_backend_pid())").execute(&access).await;
    assert!(ended.is_err());
    world.note("after the first").await.unwrap();
    let idle = access.transaction(|transaction| {
        async move {
            let limit = "set local idle_in_transaction_session_timeout = '1ms'";
            sqlx::query(limit).execute(transaction).await?;
            sleep(Duration::from_millis(100)).await;
            Ok::<_, sqlx::Error>(())
        }
        .boxed()
    });
    assert!(idle.await.is_err());
    world.note("after the second").await.unwrap();
}

#[tokio::test]
async fn a_panic_in_the_middle_leaves_nothing_behind() {
    let world = world(1).await;
    let access = world.access();
    let work = access.transaction::<(), sqlx::Error>(|transaction| {
        async move {
            let insert = sqlx::query("insert into notes (part, text) values (0, 'half')");
            insert.execute(transaction).await?;
            panic!("half-way")
        }
        .boxed()
    });
    assert!(work.await.is_err());
    world.note("next").await.unwrap();
    world.test.assert_no_transaction_left_open().await;
    assert_eq!((world.notes("half").await, world.notes("next").await), (0, 1));
}

#[tokio::test]
async fn a_statement_goes_on_when_a_later_release_has_added_a_column() {
    let world = world(1).await;
    let read = || async {
        let access = world.access();
        sqlx::query("select * from notes").fetch_all(&access).await
    };
    let read_in_transaction = || async {
        let access = world.access();
        let work = access.transaction(|transaction| {
            async move { sqlx::query("select * from notes").fetch_all(transaction).await }.boxed()
        });
        work.await
    };
    read().await.unwrap();
    world.test.sql("alter table notes add column later text").await;
    read().await.unwrap();
    read_in_transaction().await.unwrap();
    world.test.sql("alter table notes add column even_later text").await;
    // what went before in a transaction is gone: its caller has to begin anew, and can
    assert!(souk_db::is_transient(&read_in_transaction().await.unwrap_err()));
    read_in_transaction().await.unwrap();
}

#[tokio::test]
async fn those_who_have_no_time_keep_nobody_from_a_connection() {
    let world = world(1).await;
    let backend = world.backend().await;
    world.test.sql(&format!("select pg_terminate_backend({backend})")).await;
    // the one that watches over the database is there all the time
    let sessions = "pg_stat_activity where application_name = 'souk' and state = 'idle'
                      and datname = current_database()";
    soon("a connection is made", || async {
        // less than it takes to connect
        let access = world.database.within(Duration::from_micros(500));
        let _ = sqlx::query("select").execute(&access).await;
        world.test.count(sessions).await > 1
    })
    .await;
}
