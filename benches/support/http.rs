//! An HTTP/1.1 client that costs next to nothing, so that it takes little from what it measures.

use std::io;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// A body that came in chunks, in one piece.
    joined: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    /// The status line and the headers, as they came.
    pub head: &'a [u8],
    pub body: &'a [u8],
}

/// What the head of an answer says of its body.
struct Head {
    status: u16,
    /// Where the body begins.
    body: usize,
    framing: Framing,
}

enum Framing {
    Length(usize),
    Chunks,
}

impl Connection {
    /// Connects to `host:port`.
    pub async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024), joined: Vec::new() })
    }

    /// Sends a whole request and reads the answer to its end.
    pub async fn send(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.read().await?;
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
        };
        let body = match head.framing {
            Framing::Length(length) => {
                let end = head.body + length;
                while self.buffer.len() < end {
                    self.read().await?;
                }
                &self.buffer[head.body..end]
            }
            Framing::Chunks => {
                while !join(&self.buffer[head.body..], &mut self.joined)? {
                    self.read().await?;
                }
                &self.joined
            }
        };
        Ok(Answer { status: head.status, head: &self.buffer[..head.body], body })
    }

    /// Sends a request that succeeds, and reads JSON.
    pub async fn json(&mut self, request: &[u8]) -> Result<serde_json::Value> {
        let answer = self.send(request).await?;
        if !(200..300).contains(&answer.status) {
            let [request, body] = [request, answer.body].map(String::from_utf8_lossy);
            bail!("{}: {} {body}", request.lines().next().unwrap_or_default(), answer.status);
        }
        Ok(serde_json::from_slice(answer.body)?)
    }

    /// Some more of an answer.
    async fn read(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }
}

/// The bytes of a request for a path.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: souk\r\naccept: application/json\r\n\r\n").into_bytes()
}

/// The same with an access token.
pub fn get_as(token: &str, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nhost: souk\r\naccept: application/json\r\n\
         authorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

/// The bytes of a request that sends JSON.
pub fn post(path: &str, json: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: souk\r\naccept: application/json\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{json}",
        json.len()
    )
    .into_bytes()
}

/// `None` before all headers are there.
fn head(bytes: &[u8]) -> Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(body) = response.parse(bytes)? else { return Ok(None) };
    let status = response.code.context("an answer without a status")?;
    let value = |name| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| std::str::from_utf8(header.value)).transpose()
    };
    let framing = match value("content-length")? {
        Some(length) => Framing::Length(length.parse()?),
        None if value("transfer-encoding")? == Some("chunked") => Framing::Chunks,
        None => bail!("an answer without a length"),
    };
    Ok(Some(Head { status, body, framing }))
}

/// Puts chunks together; `false` before the last one is there.
fn join(mut bytes: &[u8], joined: &mut Vec<u8>) -> Result<bool> {
    joined.clear();
    loop {
        let parsed = httparse::parse_chunk_size(bytes).ok().context("no chunk")?;
        let httparse::Status::Complete((start, size)) = parsed else { return Ok(false) };
        let end = start + usize::try_from(size)?;
        // each ends with an empty line
        if bytes.len() < end + 2 {
            return Ok(false);
        }
        if size == 0 {
            return Ok(true);
        }
        joined.extend_from_slice(&bytes[start..end]);
        bytes = &bytes[end + 2..];
    }
}
