//! The parts of a process: what runs at the same time, and how all of it ends.

use std::future::Future;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The parts of a process. When one ends, all do.
pub struct Parts {
    running: JoinSet<(&'static str, anyhow::Result<()>)>,
    shutdown: CancellationToken,
}

impl Parts {
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { running: JoinSet::new(), shutdown }
    }

    /// What tells every part to end.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// A part that ends with the token it is given.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        name: &'static str,
        part: impl FnOnce(CancellationToken) -> F,
    ) {
        let part = part(self.shutdown.clone());
        self.spawn_fallible(name, async move {
            part.await;
            Ok(())
        });
    }

    /// A part that can fail.
    pub fn spawn_fallible(
        &mut self,
        name: &'static str,
        part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.running.spawn(async move { (name, part.await) });
    }

    /// Waits for the end of every part; the first failure is the process's.
    pub async fn until_ended(mut self) -> anyhow::Result<()> {
        let mut first = Ok(());
        while let Some(ended) = self.running.join_next().await {
            let result = match ended {
                Ok((name, result)) => result.context(name),
                Err(panicked) => Err(panicked.into()),
            };
            let expected = self.shutdown.is_cancelled();
            self.shutdown.cancel();
            if first.is_ok() {
                first = match result {
                    Ok(()) if !expected => Err(anyhow::anyhow!("a part ended by itself")),
                    result => result,
                };
            }
        }
        first
    }
}

/// A token that is cancelled by the first Ctrl-C or SIGTERM; the second ends the process at once.
pub fn on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let shutdown = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if token.is_cancelled() {
                std::process::exit(130);
            }
            eprintln!("souk: ending; once more to end at once");
            token.cancel();
        }
    });
    Ok(shutdown)
}

/// Work that has no end of its own.
pub async fn until(end: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = end.cancelled() => {}
        () = work => {}
    }
}
