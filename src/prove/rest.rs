//! A client of REST that brings no library: a connection for each request, which is gone when the request is dropped,
//! as that of somebody who closes a tab.

use anyhow::Context as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::Uri;

/// No answer to a buyer is larger.
const MOST: u64 = 1024 * 1024;

/// Where a suite serves REST.
#[derive(Debug, Clone)]
pub struct Rest {
    host: String,
}

impl Rest {
    pub fn at(address: &Uri) -> anyhow::Result<Self> {
        let is_plain = address.scheme_str() == Some("http");
        let host = address.authority().filter(|_| is_plain);
        let host = host.context("--http must look like http://host:port")?;
        Ok(Self { host: host.as_str().to_owned() })
    }

    /// Posts JSON under a key: the status, and the JSON that comes back.
    pub async fn post(
        &self,
        path: &str,
        token: &str,
        key: &str,
        body: &Value,
    ) -> anyhow::Result<(u16, Value)> {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nauthorization: {token}\r\n\
             idempotency-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        self.send(head + &body).await
    }

    async fn send(&self, request: String) -> anyhow::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(&self.host).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer).await?;
        read(&answer)
    }
}

/// The status and the JSON of an answer. One that was cut is an error: its JSON does not end.
fn read(answer: &[u8]) -> anyhow::Result<(u16, Value)> {
    let answer = std::str::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer without an end")?;
    let status = head.split(' ').nth(1).context("an answer without a status")?;
    let status = status.parse().context("an answer without a status")?;
    Ok((status, serde_json::from_str(body).context("an answer that is no JSON")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_is_read_and_a_cut_one_is_none() {
        let whole = b"HTTP/1.1 201 Created\r\ncontent-length: 14\r\n\r\n{\"id\":\"ord_1\"}";
        let (status, body) = read(whole).unwrap();
        assert_eq!((status, body["id"].as_str()), (201, Some("ord_1")));
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
    }
}
