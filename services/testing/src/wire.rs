//! The messages of PostgreSQL's protocol (version 3), as far as the proxy looks at them.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// No message of a test is larger, in bytes.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;
/// Asks for TLS, instead of the first message.
const SSL_REQUEST: u32 = 80_877_103;

/// A message as it is on the wire.
pub struct Message {
    /// Its type; the first message of a connection has none.
    pub kind: Option<u8>,
    pub bytes: Vec<u8>,
}

/// What a client asks for.
pub enum Asked {
    Parse { statement: String, sql: String },
    Bind { statement: String },
    Execute,
    Sync,
    Query { sql: String },
    Other,
}

/// The first message of a client.
pub async fn first(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Message> {
    let length = client.read_u32().await?;
    let mut bytes = length.to_be_bytes().to_vec();
    read_rest(client, &mut bytes, length).await?;
    Ok(Message { kind: None, bytes })
}

/// The next message; `None` at the end.
pub async fn next(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Message>> {
    let mut kind = [0];
    if from.read(&mut kind).await? == 0 {
        return Ok(None);
    }
    let length = from.read_u32().await?;
    let mut bytes = kind.to_vec();
    bytes.extend(length.to_be_bytes());
    read_rest(from, &mut bytes, length).await?;
    Ok(Some(Message { kind: Some(kind[0]), bytes }))
}

async fn read_rest(
    from: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
    length: u32,
) -> io::Result<()> {
    let rest = (length as usize).checked_sub(4).filter(|rest| *rest <= MAX_MESSAGE);
    let rest = rest.ok_or_else(|| io::Error::other("a message that PostgreSQL does not know"))?;
    let start = bytes.len();
    bytes.resize(start + rest, 0);
    from.read_exact(&mut bytes[start..]).await.map(drop)
}

impl Message {
    /// What a client asks for with it.
    pub fn asked(&self) -> Asked {
        let mut texts = self.bytes.get(5..).unwrap_or_default().split(|byte| *byte == 0);
        let mut text = || String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned();
        match self.kind {
            Some(b'P') => Asked::Parse { statement: text(), sql: text() },
            Some(b'B') => {
                let _portal = text();
                Asked::Bind { statement: text() }
            }
            Some(b'E') => Asked::Execute,
            Some(b'S') => Asked::Sync,
            Some(b'Q') => Asked::Query { sql: text() },
            _ => Asked::Other,
        }
    }

    /// Whether a client asks for TLS with it. Refused, it goes on without.
    pub fn asks_for_tls(&self) -> bool {
        self.kind.is_none() && self.bytes.get(4..8) == Some(&SSL_REQUEST.to_be_bytes())
    }

    /// Whether the server says with it that it has done everything, committed if that was asked for.
    pub fn is_ready(&self) -> bool {
        self.kind == Some(b'Z')
    }
}
