//! Places of streams, and what is kept for them. All streams have so much together, and all downloads; one
//! client has a quarter of it, however many connections it has.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use souk_kit::body::{Budget, Room};
use souk_kit::listener::{Origin, Pace, Shares};
use souk_kit::permit::{Permit, Permits};
use souk_proto::souk::types::v1::Reason;

use crate::errors::problem::Problem;

/// The places of all streams, or of all downloads.
pub(crate) struct Places {
    permits: Permits,
    bytes: Budget,
    /// Those who have some.
    clients: Mutex<HashMap<Origin, Client>>,
}

/// What one client has.
#[derive(Debug, Clone, Default)]
struct Client {
    places: Shares,
    bytes: Shares,
}

/// The place of a stream. It is kept until nothing of the stream is left, also nothing that its client has
/// not read.
pub(crate) struct Place {
    _permit: Permit,
    pub quota: Quota,
}

/// How much may be kept of the messages of one client. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Quota {
    budget: Budget,
    client: Shares,
}

impl Places {
    /// So many places, and bytes that are kept.
    pub(crate) fn new(places: usize, bytes: usize) -> Self {
        let (permits, bytes) = (Permits::new(places), Budget::new(bytes));
        Self { permits, bytes, clients: Mutex::default() }
    }

    /// The pace of an answer that has one of them.
    pub(crate) fn pace(&self, patience: Duration) -> Pace {
        self.permits.pace(patience)
    }

    /// A place for a client, if there is one left for it. Nobody in particular, such as a proxy that does
    /// not say for whom it asks, has the part of a connection.
    pub(crate) fn take(
        &self,
        origin: Option<Origin>,
        connection: Option<&Shares>,
    ) -> Option<Place> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|_, client| !client.places.is_empty() || !client.bytes.is_empty());
        let client = match origin {
            Some(origin) => clients.entry(origin).or_default().clone(),
            None => Client { places: connection.cloned().unwrap_or_default(), ..Client::default() },
        };
        let permit = self.permits.take(Some(&client.places))?;
        let quota = Quota { budget: self.bytes.clone(), client: client.bytes };
        Some(Place { _permit: permit, quota })
    }
}

impl Quota {
    /// Room for something that is kept; none of it is taken yet.
    pub(crate) fn room(&self) -> Room {
        self.budget.room(0, Some(&self.client))
    }

    /// Room for so many bytes.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(crate) fn take(&self, bytes: usize) -> Result<Room, Problem> {
        let mut room = self.room();
        if room.grow(bytes) { Ok(room) } else { Err(no_room()) }
    }
}

/// What a stream ends with that would keep too much.
pub(crate) fn no_room() -> Problem {
    tracing::warn!("a stream ends: what is kept for its client, or for all, is too much");
    let message = "messages that have not been read, or are not whole, take too much room";
    Problem::new(Reason::Overloaded, message)
}

/// Bytes that take room until the last of them are gone.
pub(crate) fn held(bytes: impl AsRef<[u8]> + Send + 'static, room: Room) -> Bytes {
    Bytes::from_owner(Held { bytes, _room: room })
}

struct Held<T> {
    bytes: T,
    _room: Room,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(address: &str) -> Option<Origin> {
        Some(Origin::of(address.parse().unwrap()))
    }

    #[test]
    fn a_client_has_a_quarter_of_the_places_over_all_its_connections() {
        let places = Places::new(8, 0);
        let taken =
            [places.take(origin("2001:db8::1"), None), places.take(origin("2001:db8::2"), None)];
        assert!(taken.iter().all(Option::is_some));
        assert!(places.take(origin("2001:db8::3"), None).is_none());
        assert!(places.take(origin("2001:db8:0:1::1"), None).is_some());
        drop(taken);
        assert!(places.take(origin("2001:db8::3"), None).is_some());
    }

    #[test]
    fn who_is_nobody_in_particular_has_the_part_of_a_connection() {
        let (places, one, other) = (Places::new(8, 0), Shares::default(), Shares::default());
        let _taken = [places.take(None, Some(&one)), places.take(None, Some(&one))];
        assert!(places.take(None, Some(&one)).is_none());
        assert!(places.take(None, Some(&other)).is_some());
    }

    #[test]
    fn a_client_has_a_quarter_of_the_room_until_the_last_byte_is_gone() {
        let places = Places::new(8, 400);
        let place = places.take(origin("192.0.2.1"), None).unwrap();
        let mut bytes = held(vec![0; 90], place.quota.take(90).ok().unwrap());
        assert!(place.quota.take(11).is_err());
        let other = places.take(origin("192.0.2.2"), None).unwrap();
        assert!(other.quota.take(90).is_ok());
        // what is left counts also when the stream itself has ended
        let last = bytes.split_off(89);
        drop((bytes, place));
        let place = places.take(origin("192.0.2.1"), None).unwrap();
        assert!(place.quota.take(11).is_err());
        drop(last);
        assert!(place.quota.take(100).is_ok());
    }
}
