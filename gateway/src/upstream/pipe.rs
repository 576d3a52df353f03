//! The way of one stream, from who has its items to who takes them. One of them is on its way at a time:
//! who does not take it keeps the next from being made.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::{Stream, stream};
use tokio::sync::{mpsc, oneshot};

/// A way for the items of one stream.
pub(crate) fn pipe<T>() -> (Writer<T>, Reader<T>) {
    let (items, taken) = mpsc::channel(1);
    let (last, told) = oneshot::channel();
    let ended = Arc::new(OnceLock::new());
    let reader = Reader { items: taken, last: Some(told), ended: ended.clone() };
    (Writer { items, last, ended }, reader)
}

/// Where items come from. A stream whose writer is dropped before it has finished breaks off.
pub(crate) struct Writer<T> {
    items: mpsc::Sender<T>,
    last: oneshot::Sender<Option<T>>,
    ended: Arc<OnceLock<Instant>>,
}

/// Nobody takes items any more.
#[derive(Debug)]
pub(crate) struct Gone;

impl<T> Writer<T> {
    /// Sends an item as soon as the one before it has been taken.
    pub(crate) async fn send(&self, item: T) -> Result<(), Gone> {
        self.items.send(item).await.map_err(|_| Gone)
    }

    /// Waits until nobody takes items any more.
    pub(crate) async fn closed(&self) {
        self.items.closed().await;
    }

    /// Ends the stream as it should end. If there is a last item, it waits for no other.
    pub(crate) fn finish(self, last: Option<T>) {
        let _ = self.ended.set(Instant::now());
        // who has gone does not need it
        let _ = self.last.send(last);
    }
}

/// Where items go to.
pub(crate) struct Reader<T> {
    items: mpsc::Receiver<T>,
    last: Option<oneshot::Receiver<Option<T>>>,
    ended: Arc<OnceLock<Instant>>,
}

/// A stream has ended before it was finished.
#[derive(Debug, thiserror::Error)]
#[error("a stream broke off")]
pub(crate) struct BrokenOff;

impl<T: Send + 'static> Reader<T> {
    /// The next item; `None` after the last one. Nothing is lost when this is dropped before it is done.
    pub(crate) async fn next(&mut self) -> Option<Result<T, BrokenOff>> {
        if let Some(item) = self.items.recv().await {
            return Some(Ok(item));
        }
        let last = self.last.as_mut()?.await;
        self.last = None;
        last.map_err(|_| BrokenOff).transpose()
    }

    /// How long the end of the stream has been known, whatever is left to be taken.
    pub(crate) fn ended(&self) -> Option<Duration> {
        self.ended.get().map(Instant::elapsed)
    }

    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<T, BrokenOff>> + Send + 'static {
        stream::unfold(self, |mut reader| async move { Some((reader.next().await?, reader)) })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_item_waits_for_its_reader_and_the_last_one_for_nobody() {
        let (writer, mut reader) = pipe();
        writer.send(1).await.unwrap();
        assert!(writer.send(2).now_or_never().is_none());
        writer.finish(Some(3));
        assert!(matches!(reader.next().await, Some(Ok(1))));
        assert!(matches!(reader.next().await, Some(Ok(3))));
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn a_stream_may_end_without_a_last_item() {
        let (writer, mut reader) = pipe::<u8>();
        writer.finish(None);
        assert!(reader.next().await.is_none());
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn what_is_not_finished_breaks_off() {
        let (writer, mut reader) = pipe();
        writer.send(1).await.unwrap();
        drop(writer);
        assert!(matches!(reader.next().await, Some(Ok(1))));
        assert!(matches!(reader.next().await, Some(Err(BrokenOff))));
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn a_writer_learns_that_its_reader_has_gone() {
        let (writer, reader) = pipe();
        drop(reader);
        writer.closed().await;
        assert!(writer.send(1).await.is_err());
        writer.finish(Some(2));
    }
}
