//! The lines of a body, as they come: no more than one of them is kept.

use bytes::{Bytes, BytesMut};
use http_body::Body;
use souk_proto::souk::types::v1::Reason;

use crate::errors::problem::Problem;
use crate::request::allowance::Allowance;
use crate::request::pieces::Pieces;

/// The lines of a body. Those that are empty are left out.
pub(super) struct Lines<'a, B> {
    pieces: Pieces<'a, B>,
    /// The largest line, in bytes.
    most: usize,
    /// For all of them, with those that are empty.
    allowance: Allowance,
    /// What has come of lines that have not been given.
    rest: Bytes,
    /// How many lines there were, with those that are empty.
    count: u64,
}

impl<'a, B: Body<Data = Bytes> + Unpin> Lines<'a, B> {
    pub(super) fn new(pieces: Pieces<'a, B>, most: usize, allowance: Allowance) -> Self {
        Self { pieces, most, allowance, rest: Bytes::new(), count: 0 }
    }

    /// The next line and its number, from 1; `None` is the end of the body. The last one needs no line
    /// break.
    pub(super) async fn next(&mut self) -> Result<Option<(u64, Bytes)>, Problem> {
        while let Some(line) = self.line().await? {
            self.count += 1;
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.count, line)));
            }
        }
        Ok(None)
    }

    async fn line(&mut self) -> Result<Option<Bytes>, Problem> {
        let mut begun = BytesMut::new();
        let mut room = self.pieces.room(self.most);
        loop {
            let end = self.rest.iter().position(|byte| *byte == b'\n');
            if begun.len() + end.unwrap_or(self.rest.len()) > self.most {
                let message = format!("line {} is larger than {} bytes", self.count + 1, self.most);
                return Err(Problem::new(Reason::PayloadTooLarge, message));
            }
            let piece = self.rest.split_to(end.map_or(self.rest.len(), |end| end + 1));
            if end.is_some() && begun.is_empty() {
                // most lines come as one piece, which is not copied
                return Ok(Some(piece));
            }
            room.extend(piece.len()).await?;
            begun.extend_from_slice(&piece);
            if end.is_some() {
                return Ok(Some(begun.freeze()));
            }
            match self.pieces.next(begun.len()).await? {
                Some(piece) => {
                    self.allowance.take(piece.len() as u64)?;
                    self.rest = piece;
                }
                None => return Ok(Some(begun.freeze()).filter(|line| !line.is_empty())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use souk_kit::body::Budget;

    use super::*;

    const ALL: u64 = 25;

    async fn lines(pieces: &[&'static str], most: usize) -> Result<Vec<(u64, String)>, String> {
        let frames =
            pieces.iter().map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(*piece))));
        let mut body = StreamBody::new(stream::iter(frames));
        let budget = Budget::new(1_000);
        let idle = Duration::from_secs(1);
        let pieces = Pieces { body: &mut body, budget: &budget, idle, peer: None };
        let mut lines = Lines::new(pieces, most, Allowance::of(ALL));
        let mut given = Vec::new();
        while let Some((number, line)) = lines.next().await.map_err(|problem| problem.message)? {
            given.push((number, String::from_utf8(line.trim_ascii().to_vec()).unwrap()));
        }
        Ok(given)
    }

    #[tokio::test]
    async fn lines_are_found_however_they_come() {
        let expected = vec![(1, "one".to_owned()), (3, "two".to_owned()), (4, "three".to_owned())];
        for pieces in [
            &["one\n\ntwo\nthree"][..],
            &["one\r\n\r\ntwo\r\nthree\r\n"],
            &["o", "ne", "\n", "\nt", "wo\nth", "", "ree\n"],
            &["one\n  \ntwo\nthree\n\n"],
        ] {
            assert_eq!(lines(pieces, 10).await.as_ref(), Ok(&expected), "{pieces:?}");
        }
        assert_eq!(lines(&[], 10).await, Ok(Vec::new()));
        assert_eq!(lines(&["\n", " \n"], 10).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_refused_however_it_comes() {
        let longest = vec![(1, "12345".to_owned()), (2, "12345".to_owned())];
        assert_eq!(lines(&["12345\n12345"], 5).await, Ok(longest));
        let refused = Err("line 2 is larger than 5 bytes".to_owned());
        for pieces in [&["1\n123456\n"][..], &["1\n123", "456"], &["1\n", "123456"]] {
            assert_eq!(lines(pieces, 5).await, refused, "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn all_lines_together_may_be_too_long_and_those_that_are_empty_count() {
        assert_eq!(lines(&["1234\n"; 5], 5).await.map(|lines| lines.len()), Ok(5));
        let refused = Err("the call takes no more than 25 bytes".to_owned());
        assert_eq!(lines(&["1234\n"; 6], 5).await, refused);
        assert_eq!(lines(&["\n"; 26], 5).await, refused);
    }
}
