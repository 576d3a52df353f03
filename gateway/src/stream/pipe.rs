//! The way of events from the task that has them to the client that takes them. One of them is on its
//! way at a time: a client that does not take it keeps the next from being made.

use tokio::sync::{mpsc, oneshot};

use super::event::Event;

/// A way for the events of one stream.
pub(super) fn pipe() -> (Writer, Reader) {
    let (events, taken) = mpsc::channel(1);
    let (last, ended) = oneshot::channel();
    (Writer { events, last }, Reader { events: taken, last: Some(ended) })
}

/// Where events come from. A stream whose writer is dropped before it has finished breaks off.
pub(super) struct Writer {
    events: mpsc::Sender<Event>,
    last: oneshot::Sender<Event>,
}

/// Nobody takes events any more.
#[derive(Debug)]
pub(super) struct Gone;

impl Writer {
    /// Sends an event as soon as the one before it has been taken.
    pub(super) async fn send(&self, event: Event) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }

    /// Waits until nobody takes events any more.
    pub(super) async fn closed(&self) {
        self.events.closed().await;
    }

    /// Sends the last event, which waits for no other.
    pub(super) fn finish(self, last: Event) {
        // who has gone does not need it
        let _ = self.last.send(last);
    }
}

/// Where events go to.
pub(super) struct Reader {
    events: mpsc::Receiver<Event>,
    last: Option<oneshot::Receiver<Event>>,
}

/// A stream has ended without having said so.
#[derive(Debug, thiserror::Error)]
#[error("a stream of answers broke off")]
pub(super) struct BrokenOff;

impl Reader {
    /// The next event; `None` after the last one.
    pub(super) async fn next(&mut self) -> Option<Result<Event, BrokenOff>> {
        if let Some(event) = self.events.recv().await {
            return Some(Ok(event));
        }
        let last = self.last.as_mut()?.await;
        self.last = None;
        Some(last.map_err(|_| BrokenOff))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::super::event::Ending;
    use super::*;

    const LAST: Event = Event::End(Ending::Complete);

    #[tokio::test]
    async fn one_event_waits_for_its_reader_and_the_last_one_for_nobody() {
        let (writer, mut reader) = pipe();
        writer.send(Event::Heartbeat).await.unwrap();
        assert!(writer.send(Event::Heartbeat).now_or_never().is_none());
        writer.finish(LAST);
        assert!(matches!(reader.next().await, Some(Ok(Event::Heartbeat))));
        assert!(matches!(reader.next().await, Some(Ok(Event::End(_)))));
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn what_is_not_finished_breaks_off() {
        let (writer, mut reader) = pipe();
        writer.send(Event::Heartbeat).await.unwrap();
        drop(writer);
        assert!(matches!(reader.next().await, Some(Ok(Event::Heartbeat))));
        assert!(matches!(reader.next().await, Some(Err(BrokenOff))));
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn a_writer_learns_that_its_reader_has_gone() {
        let (writer, reader) = pipe();
        drop(reader);
        writer.closed().await;
        assert!(writer.send(Event::Heartbeat).await.is_err());
        writer.finish(LAST);
    }
}
