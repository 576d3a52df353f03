//! Readers: each asks for one page after the other on a connection of its own.

use std::sync::Arc;

use anyhow::{Result, bail};

use crate::support::http::Connection;
use crate::support::load::Client;

/// Whole requests, of which any is sent.
pub type Requests = Arc<[Vec<u8>]>;

pub struct Reader {
    connection: Connection,
    requests: Requests,
}

/// So many readers of the same pages.
pub async fn readers(address: &str, requests: &Requests, count: usize) -> Result<Vec<Reader>> {
    let mut readers = Vec::with_capacity(count);
    for _ in 0..count {
        let connection = Connection::open(address).await?;
        readers.push(Reader { connection, requests: requests.clone() });
    }
    Ok(readers)
}

impl Client for Reader {
    async fn call(&mut self) -> Result<bool> {
        let request = &self.requests[fastrand::usize(..self.requests.len())];
        let answer = self.connection.send(request).await?;
        if answer.status != 200 {
            bail!("{}: {}", answer.status, String::from_utf8_lossy(answer.body));
        }
        Ok(true)
    }
}
