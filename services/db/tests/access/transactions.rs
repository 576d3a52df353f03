use futures::FutureExt as _;
use souk_testing::{Moment, leave_after};

use crate::support::{World, soon, world, world_behind_a_proxy};

/// Writes two notes, or none.
async fn write_two(world: &World, text: &str) -> Result<(), sqlx::Error> {
    let text = text.to_owned();
    let access = world.access();
    let work = access.transaction(move |transaction| {
        async move {
            for part in 0..2 {
                sqlx::query("insert into notes (part, text) values ($1, $2)")
                    .bind(part)
                    .bind(format!("{text}, part {part}"))
                    .execute(&mut *transaction)
                    .await?;
            }
            Ok(())
        }
        .boxed()
    });
    work.await
}

#[tokio::test]
async fn a_transaction_whose_caller_leaves_at_any_moment_is_whole_or_has_not_been() {
    let world = world(1).await;
    let backend = world.backend().await;
    let mut done = 0;
    for moment in Moment::ALL {
        for polls in 0.. {
            let text = format!("two {moment:?} {polls}");
            let left = leave_after(polls, moment, write_two(&world, &text)).await;
            // waits for the one connection
            world.note(&format!("honest {moment:?} {polls}")).await.unwrap();
            assert_eq!(world.notes(&format!("honest {moment:?} {polls}")).await, 1);
            let written = world.notes(&text).await;
            assert!(written == 0 || written == 2, "{text}: {written} of 2");
            done += usize::from(written == 2 && left.is_none());
            if let Some(answer) = left {
                answer.unwrap();
                assert_eq!(written, 2);
                break;
            }
        }
    }
    assert!(done > 0, "what was begun came to its end without its caller");
    assert_eq!(world.backend().await, backend, "a connection was given up");
    world.test.assert_no_transaction_left_open().await;
}

#[tokio::test]
async fn work_that_fails_leaves_nothing() {
    let world = world(1).await;
    let access = world.access();
    let work = access.transaction(|transaction| {
        async move {
            sqlx::query("insert into notes (part, text) values (0, 'half')")
                .execute(&mut *transaction)
                .await?;
            Err::<(), _>(sqlx::Error::RowNotFound)
        }
        .boxed()
    });
    assert!(work.await.is_err());
    assert_eq!(world.notes("half").await, 0);
    world.note("next").await.unwrap();
    assert_eq!(world.notes("next").await, 1);
}

#[tokio::test]
async fn the_answer_of_a_commit_may_be_lost_and_then_its_work_is_whole() {
    let (world, proxy) = world_behind_a_proxy(2).await;
    let lost = proxy.lose_answer("COMMIT");
    let error = write_two(&world, "answer").await.unwrap_err();
    assert!(lost.yet() && souk_db::is_transient(&error), "{error}");
    assert_eq!(world.notes("answer").await, 2);
    world.note("next").await.unwrap();
}

#[tokio::test]
async fn a_commit_that_never_arrives_leaves_nothing() {
    let (world, proxy) = world_behind_a_proxy(2).await;
    let lost = proxy.lose_request("COMMIT");
    let error = write_two(&world, "request").await.unwrap_err();
    assert!(lost.yet() && souk_db::is_transient(&error), "{error}");
    world.test.assert_no_transaction_left_open().await;
    assert_eq!(world.notes("request").await, 0);
    // nobody holds its texts any more
    soon("the same again", || async { write_two(&world, "request").await.is_ok() }).await;
}
