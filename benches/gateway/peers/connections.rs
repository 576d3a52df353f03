//! Some connections to a service, which all requests share.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use tonic::transport::Channel;

use crate::support::suite::connect;

/// One takes a tenth more CPU time: all requests wait for its lock.
const COUNT: usize = 4;

/// A client on each of them.
pub struct Connections<C> {
    clients: Vec<C>,
    next: AtomicUsize,
}

impl<C: Clone> Connections<C> {
    /// Connects to the service at a URL.
    pub async fn open(url: &str, client: fn(Channel) -> C) -> Result<Self> {
        let mut clients = Vec::new();
        for _ in 0..COUNT {
            clients.push(client(connect(url).await?));
        }
        Ok(Self { clients, next: AtomicUsize::new(0) })
    }

    /// The client whose turn it is.
    pub fn client(&self) -> C {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.clients[turn % COUNT].clone()
    }
}
