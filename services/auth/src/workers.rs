//! The threads on which passwords are hashed, each with the memory that a hash works in. They begin
//! when there is work, and end when there has been none for a while.
//!
//! The memory is on the stack of its thread, so that it goes back to the system with the thread. What
//! an allocator is given back it may keep, once for each thread that has hashed.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io, thread};

use argon2::Block;

use crate::hash::{BLOCKS, wipe};

/// The memory, and what any thread needs.
const STACK_SIZE: usize = BLOCKS * Block::SIZE + 1024 * 1024;

/// What a thread does: with the memory, which has been used before.
pub type Job = Box<dyn FnOnce(&mut [Block]) + Send>;

/// Threads that hash. Cheap to clone.
#[derive(Clone)]
pub struct Workers {
    shared: Arc<Shared>,
}

struct Shared {
    /// How many threads there may be.
    most: usize,
    /// How long one waits for work.
    idle_limit: Duration,
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    /// Jobs that no thread has begun.
    jobs: VecDeque<Job>,
    /// Threads there are.
    threads: usize,
    /// Those that wait for work.
    idle: usize,
}

impl Workers {
    pub fn new(most: usize, idle_limit: Duration) -> Self {
        let (state, arrived) = (Mutex::default(), Condvar::new());
        Self { shared: Arc::new(Shared { most, idle_limit, state, arrived }) }
    }

    /// Has a job done as soon as a thread is free. One that panics is dropped.
    pub fn give(&self, job: Job) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.threads == self.shared.most || state.idle > state.jobs.len() {
            state.jobs.push_back(job);
            self.shared.arrived.notify_one();
            return Ok(());
        }
        let thread = thread::Builder::new().name("password-hash".to_owned()).stack_size(STACK_SIZE);
        let shared = self.shared.clone();
        thread.spawn(move || shared.work(job))?;
        state.threads += 1;
        Ok(())
    }
}

impl Shared {
    fn work(&self, first: Job) {
        let mut memory = [Block::new(); BLOCKS];
        let mut next = Some(first);
        while let Some(job) = next {
            // the panic hook has told what and where
            let _ = catch_unwind(AssertUnwindSafe(|| job(&mut memory)));
            next = self.next();
        }
        wipe(&mut memory);
    }

    /// The next job; the thread ends when there is none.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            let waited = self.arrived.wait_timeout(state, self.idle_limit);
            let (woken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                // while nobody can give a job: the next one begins a thread
                state.threads -= 1;
                return None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("most", &self.shared.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;
    use std::sync::mpsc::{Receiver, channel};
    use std::thread::{ThreadId, sleep};
    use std::time::Instant;

    use super::*;

    /// Has jobs done that say where: the thread, and its memory.
    fn give(workers: &Workers, jobs: usize) -> Receiver<(ThreadId, usize)> {
        let (sender, receiver) = channel();
        for _ in 0..jobs {
            let sender = sender.clone();
            let job = move |memory: &mut [Block]| {
                let _ = sender.send((thread::current().id(), memory.as_ptr() as usize));
            };
            workers.give(Box::new(job)).unwrap();
        }
        receiver
    }

    #[test]
    fn a_thousand_jobs_one_after_the_other_are_done_in_the_same_memory() {
        let workers = Workers::new(2, Duration::from_secs(60));
        let mut places = HashSet::new();
        for _ in 0..1000 {
            places.extend(give(&workers, 1));
            // until it waits for the next
            while workers.shared.lock().idle == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(places.len(), 1);
    }

    #[test]
    fn many_jobs_at_once_are_done_in_two_pieces_of_memory() {
        let workers = Workers::new(2, Duration::from_secs(60));
        let both = Arc::new(Barrier::new(2));
        for _ in 0..2 {
            let both = both.clone();
            let job = move |_: &mut [Block]| {
                both.wait();
            };
            workers.give(Box::new(job)).unwrap();
        }
        let places: HashSet<_> = give(&workers, 1000).into_iter().collect();
        assert!(places.len() <= 2);
        assert_eq!(workers.shared.lock().threads, 2);
    }

    #[test]
    fn a_job_that_panics_takes_no_thread_with_it() {
        let workers = Workers::new(1, Duration::from_secs(60));
        let before: Vec<_> = give(&workers, 1).into_iter().collect();
        workers.give(Box::new(|_| panic!("a test"))).unwrap();
        let after: Vec<_> = give(&workers, 1).into_iter().collect();
        assert_eq!((before.len(), before), (1, after));
    }

    #[test]
    fn threads_end_when_there_is_nothing_to_do_and_begin_again() {
        let workers = Workers::new(2, Duration::from_millis(20));
        for _ in 0..3 {
            assert_eq!(give(&workers, 10).into_iter().count(), 10);
            let begun = Instant::now();
            while workers.shared.lock().threads > 0 {
                assert!(begun.elapsed() < Duration::from_secs(10));
                sleep(Duration::from_millis(5));
            }
        }
    }
}
