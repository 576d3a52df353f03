use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::*;

/// Doubles numbers, a batch at a time, when it is let go; refuses odd ones.
struct Doubling {
    batches: Arc<Mutex<Vec<Vec<u64>>>>,
    go: Arc<Semaphore>,
}

impl Work for Doubling {
    type Item = u64;
    type Outcome = u64;

    async fn run(&self, items: &[u64]) -> Result<Vec<u64>, sqlx::Error> {
        self.batches.lock().unwrap().push(items.to_vec());
        self.go.acquire().await.unwrap().forget();
        assert!(!items.contains(&13), "a panic in the work");
        if items.iter().any(|item| item % 2 == 1) {
            return Err(sqlx::Error::Protocol("odd".to_owned()));
        }
        Ok(items.iter().map(|item| 2 * item).collect())
    }

    fn keys(item: &u64) -> impl Iterator<Item = Uuid> {
        // numbers of one hundred have a key in common; large ones have that of another hundred too
        let second = (*item >= 10_000).then_some(item / 10_000);
        [Some(item / 100 % 100), second].into_iter().flatten().map(u128::from).map(Uuid::from_u128)
    }
}

type Seen = Arc<Mutex<Vec<Vec<u64>>>>;

fn doubling(lanes: usize, weight: usize) -> (Batches<Doubling>, Seen, Arc<Semaphore>) {
    let (seen, go) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let work = Doubling { batches: seen.clone(), go: go.clone() };
    (Batches::new(work, Limits { lanes, weight, ..Limits::WRITES }), seen, go)
}

fn submit(
    batches: &Batches<Doubling>,
    item: u64,
) -> tokio::task::JoinHandle<Result<u64, sqlx::Error>> {
    let batches = batches.clone();
    tokio::spawn(async move { batches.submit(item).await })
}

/// Until everything that can go on has gone on.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_arrives_while_one_batch_is_under_way_goes_together_in_the_next() {
    let (batches, seen, go) = doubling(1, 100);
    let first = submit(&batches, 2);
    settle().await;
    let others: Vec<_> = [4, 6, 8].map(|item| submit(&batches, item)).into();
    settle().await;
    go.add_permits(2);
    assert_eq!(first.await.unwrap().unwrap(), 4);
    let others: Vec<u64> =
        join_all(others).await.into_iter().map(|outcome| outcome.unwrap().unwrap()).collect();
    assert_eq!(others, [8, 12, 16]);
    assert_eq!(*seen.lock().unwrap(), [vec![2], vec![4, 6, 8]]);
}

#[tokio::test]
async fn those_who_come_together_leave_together_and_the_next_do_not_wait_for_them() {
    let (batches, seen, go) = doubling(2, 100);
    let together: Vec<_> = [2, 4, 6].map(|item| submit(&batches, item)).into();
    settle().await;
    let next = submit(&batches, 108);
    settle().await;
    assert_eq!(*seen.lock().unwrap(), [vec![2, 4, 6], vec![108]]);
    go.add_permits(2);
    for task in together.into_iter().chain([next]) {
        assert!(task.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn one_bad_item_does_not_fail_its_neighbours() {
    let (batches, _, go) = doubling(1, 100);
    let first = submit(&batches, 2);
    settle().await;
    let (good, bad) = (submit(&batches, 4), submit(&batches, 5));
    settle().await;
    go.add_permits(10);
    assert!(first.await.unwrap().is_ok());
    assert_eq!(good.await.unwrap().unwrap(), 8);
    assert!(bad.await.unwrap().is_err());
}

#[tokio::test]
async fn items_that_share_a_key_are_never_under_way_in_two_batches() {
    let (batches, seen, go) = doubling(3, 100);
    let hot = submit(&batches, 100);
    settle().await;
    let (hot_again, cold) = (submit(&batches, 102), submit(&batches, 2));
    settle().await;
    // the cold one goes at once, the hot one waits for the first
    assert_eq!(*seen.lock().unwrap(), [vec![100], vec![2]]);
    go.add_permits(3);
    for task in [hot, hot_again, cold] {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!(seen.lock().unwrap()[2], [102]);
}

#[tokio::test]
async fn who_waits_for_two_keys_is_not_overtaken_by_those_who_come_later_for_one() {
    let (batches, seen, go) = doubling(3, 100);
    let one = submit(&batches, 100);
    settle().await;
    let two = submit(&batches, 200);
    settle().await;
    let both = submit(&batches, 20_100);
    settle().await;
    let later = submit(&batches, 102);
    settle().await;
    // the first is done: its key is free, and the key of the second is not
    go.add_permits(1);
    assert!(one.await.unwrap().is_ok());
    settle().await;
    assert_eq!(*seen.lock().unwrap(), [vec![100], vec![200]]);
    go.add_permits(2);
    for task in [two, both, later] {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!(seen.lock().unwrap()[2], [20_100, 102]);
}

#[tokio::test]
async fn a_batch_is_no_heavier_than_its_limit() {
    let (batches, seen, go) = doubling(1, 3);
    let first = submit(&batches, 2);
    settle().await;
    let others: Vec<_> = (0..7).map(|item| submit(&batches, 2 * item)).collect();
    settle().await;
    go.add_permits(10);
    assert!(first.await.unwrap().is_ok());
    for other in others {
        assert!(other.await.unwrap().is_ok());
    }
    let sizes: Vec<usize> = seen.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 3, 3, 1]);
}

#[tokio::test]
async fn who_leaves_before_the_batch_begins_takes_the_item_back() {
    let (batches, seen, go) = doubling(1, 100);
    let first = submit(&batches, 2);
    settle().await;
    let (leaving, staying) = (submit(&batches, 4), submit(&batches, 6));
    settle().await;
    leaving.abort();
    settle().await;
    go.add_permits(10);
    assert!(first.await.unwrap().is_ok() && staying.await.unwrap().is_ok());
    assert_eq!(seen.lock().unwrap()[1], [6]);
}

#[tokio::test]
async fn a_panic_in_one_batch_does_not_end_the_work() {
    let (batches, _, go) = doubling(1, 1);
    let broken = submit(&batches, 13);
    settle().await;
    let next = submit(&batches, 2);
    settle().await;
    go.add_permits(10);
    assert!(matches!(broken.await.unwrap(), Err(sqlx::Error::WorkerCrashed)));
    assert_eq!(next.await.unwrap().unwrap(), 4);
}

#[tokio::test]
async fn items_beyond_the_limit_are_refused_at_once() {
    let (seen, go) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let work = Doubling { batches: seen, go };
    let batches = Batches::new(work, Limits { lanes: 1, weight: 1, waiting: 2, ..Limits::WRITES });
    let mut held = Vec::new();
    for item in 0..3 {
        held.push(submit(&batches, 2 * item));
        settle().await;
    }
    let refused = timeout(Duration::from_secs(5), batches.submit(8)).await.expect("no wait");
    assert!(matches!(refused, Err(sqlx::Error::PoolTimedOut)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_behind_whatever_comes_and_goes() {
    let (batches, _, go) = doubling(3, 8);
    go.add_permits(1_000_000);
    let tasks: Vec<_> = (0..2_000_u64)
        .map(|item| {
            let batches = batches.clone();
            tokio::spawn(async move {
                sleep(Duration::from_micros(item * 7 % 900)).await;
                batches.submit(2 * item).await.unwrap()
            })
        })
        .collect();
    for (item, task) in (0..).zip(tasks) {
        let outcome = timeout(Duration::from_secs(30), task).await.expect("an outcome");
        assert_eq!(outcome.unwrap(), 4 * item);
    }
    let left = || {
        let queue = batches.inner.lock();
        (queue.lanes, queue.held.len(), queue.waiting.len())
    };
    // a lane that found nothing to do ends a moment later
    for _ in 0..1_000 {
        if left() == (0, 0, 0) {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("{:?} is left behind", left());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_lingers_for_company_and_no_longer() {
    let (seen, go) = (Seen::default(), Arc::new(Semaphore::new(10)));
    let work = Doubling { batches: seen.clone(), go };
    let batches = Batches::new(work, Limits::PATIENT);
    let first = submit(&batches, 2);
    settle().await;
    sleep(Limits::PATIENT.linger / 2).await;
    let second = submit(&batches, 4);
    settle().await;
    assert_eq!(*seen.lock().unwrap(), Vec::<Vec<u64>>::new());
    sleep(Limits::PATIENT.linger).await;
    assert_eq!((first.await.unwrap().unwrap(), second.await.unwrap().unwrap()), (4, 8));
    assert_eq!(*seen.lock().unwrap(), [vec![2, 4]]);
}
