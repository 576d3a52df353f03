//! Bodies of `multipart/form-data` (RFC 7578): fields, and then a file, which is used as it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, ready};

use bytes::Bytes;
use futures::{Stream, stream};
use multer::{Field, Multipart};
use souk_kit::body::{self, Room};
use souk_kit::failure::shortened;
use souk_proto::souk::types::v1::Reason;

use super::allowance::TooLarge;
use super::media::UNKNOWN;
use crate::errors::problem::Problem;

/// How many bytes are read at once.
const PIECE: usize = 16 * 1024;
/// How many bytes are kept at most: the parser waits for the end of what is between two parts, however
/// far that is.
const KEPT: usize = 64 * 1024;
/// What a field costs besides its name and its value, in bytes.
pub const FIELD: usize = 2 * size_of::<String>();

/// The parts of a form.
pub struct Parts<'r> {
    multipart: Multipart<'r>,
    /// How many bytes may be read before some are used.
    left: Arc<AtomicUsize>,
    /// The largest size of all fields, in bytes.
    most: usize,
    /// The room that they take, where it is not taken by the form.
    room: Option<Room>,
}

/// The file of a form.
pub struct File<'r> {
    field: Field<'r>,
    left: Arc<AtomicUsize>,
}

/// The name and the value of a field.
pub type Pair = (String, String);

impl<'r> Parts<'r> {
    /// Of a body whose parts are separated by this boundary. Its fields have this many bytes at most, with
    /// their names and [`FIELD`] for each, and take room for them; `None` where the form has it already.
    pub fn new(
        pieces: impl Stream<Item = Result<Bytes, Error>> + Send + 'r,
        boundary: String,
        most: usize,
        room: Option<Room>,
    ) -> Self {
        let left = Arc::new(AtomicUsize::new(KEPT));
        let pieces = metered(Box::pin(pieces), left.clone());
        Self { multipart: Multipart::new(pieces, boundary), left, most, room }
    }

    /// The fields, and the file that comes after them: the first part that has the name of a file.
    ///
    /// # Errors
    ///
    /// There is none, or the fields before it are too large or no text.
    pub async fn file(&mut self) -> Result<(Vec<Pair>, File<'r>), Error> {
        let (mut fields, mut size) = (Vec::new(), 0);
        while let Some(part) = self.next().await? {
            if part.field.file_name().is_some() {
                return Ok((fields, part));
            }
            let name = part.field.name().unwrap_or_default().to_owned();
            self.keep(&mut size, FIELD + name.len()).await?;
            let value = self.value(part, &name, &mut size).await?;
            fields.push((name, value));
        }
        Err(Error::NoFile)
    }

    /// Reads to the end of the form.
    ///
    /// # Errors
    ///
    /// There is something after the file.
    pub async fn end(&mut self) -> Result<(), Error> {
        self.next().await?.map_or(Ok(()), |_| Err(Error::NotLast))
    }

    async fn next(&mut self) -> Result<Option<File<'r>>, Error> {
        self.left.store(KEPT, Ordering::Relaxed);
        let field = self.multipart.next_field().await?;
        Ok(field.map(|field| File { field, left: self.left.clone() }))
    }

    /// The text of a field. `size` is that of all fields so far.
    async fn value(
        &mut self,
        mut part: File<'_>,
        name: &str,
        size: &mut usize,
    ) -> Result<String, Error> {
        let mut value = Vec::new();
        while let Some(bytes) = part.next().await? {
            self.keep(size, bytes.len()).await?;
            value.extend_from_slice(&bytes);
        }
        String::from_utf8(value).map_err(|_| Error::NotUtf8(shortened(name)))
    }

    /// So many bytes more of fields are kept.
    async fn keep(&mut self, size: &mut usize, bytes: usize) -> Result<(), Error> {
        *size += bytes;
        if *size > self.most {
            return Err(Error::FieldsTooLarge(self.most));
        }
        if let Some(room) = &mut self.room {
            room.extend(bytes).await?;
        }
        Ok(())
    }
}

impl File<'_> {
    /// What it is called.
    pub fn name(&self) -> Option<&str> {
        self.field.file_name()
    }

    /// What it is.
    pub fn media_type(&self) -> String {
        self.field.content_type().map_or_else(|| UNKNOWN.to_owned(), ToString::to_string)
    }

    /// The next bytes; `None` when there are no more.
    ///
    /// # Errors
    ///
    /// The form ends before the file does, or its body does not come.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.left.store(KEPT, Ordering::Relaxed);
        Ok(self.field.chunk().await?)
    }
}

/// Why a form cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not come.
    #[error(transparent)]
    Body(#[from] body::Error),
    /// There is more of it than the call takes.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// There is no room for more of what is not used.
    #[error("what is between two parts of the form is larger than {KEPT} bytes")]
    NoRoom,
    /// The fields are larger than so many bytes.
    #[error("the fields of the form are larger than {0} bytes")]
    FieldsTooLarge(usize),
    /// A field is no text.
    #[error("{0}: is not UTF-8")]
    NotUtf8(String),
    /// No part is a file.
    #[error("the form has no file: a part with the name of one, after its fields")]
    NoFile,
    /// Something comes after the file.
    #[error("the file must be the last part of the form")]
    NotLast,
    /// It is no form.
    #[error("the form cannot be read")]
    Malformed,
}

impl From<multer::Error> for Error {
    fn from(error: multer::Error) -> Self {
        match error {
            multer::Error::StreamReadFailed(source) => {
                source.downcast().map_or(Self::Malformed, |error| *error)
            }
            _ => Self::Malformed,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let reason = match error {
            Error::Body(error) => return error.into(),
            Error::TooLarge(error) => return error.into(),
            Error::NoRoom | Error::FieldsTooLarge(_) => Reason::PayloadTooLarge,
            Error::NotUtf8(_) | Error::NoFile | Error::NotLast | Error::Malformed => {
                Reason::MalformedRequest
            }
        };
        Self::new(reason, error.to_string())
    }
}

/// The parser takes all that is there whenever it is asked for a part: here there is never more than one
/// piece.
fn metered<S: Stream<Item = Result<Bytes, Error>>>(
    mut pieces: Pin<Box<S>>,
    left: Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Bytes, Error>> {
    let (mut rest, mut has_given) = (Bytes::new(), false);
    stream::poll_fn(move |cx| {
        if std::mem::take(&mut has_given) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if rest.is_empty() {
            match ready!(pieces.as_mut().poll_next(cx)) {
                Some(Ok(piece)) => rest = piece,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let piece = rest.split_to(rest.len().min(PIECE));
        has_given = true;
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(piece.len())
        });
        Poll::Ready(Some(taken.map(|_| piece).map_err(|_| Error::NoRoom)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 2 * FIELD + 100;

    /// A form in pieces of so many bytes: its fields, the type of its file, and the file.
    async fn read(form: &str, piece: usize) -> Result<(Vec<Pair>, String, String), String> {
        let bytes = Bytes::from(form.replace('\n', "\r\n"));
        let pieces: Vec<_> = bytes.chunks(piece).map(|piece| Ok(bytes.slice_ref(piece))).collect();
        let mut parts = Parts::new(stream::iter(pieces), "x".to_owned(), MOST, None);
        let (fields, mut file) = parts.file().await.map_err(|error| error.to_string())?;
        let (media_type, mut content) = (file.media_type(), Vec::new());
        while let Some(bytes) = file.next().await.map_err(|error| error.to_string())? {
            content.extend_from_slice(&bytes);
        }
        drop(file);
        parts.end().await.map_err(|error| error.to_string())?;
        Ok((fields, media_type, String::from_utf8(content).unwrap()))
    }

    fn part(head: &str, content: &str) -> String {
        format!("--x\nContent-Disposition: form-data; {head}\n\n{content}\n")
    }

    fn pair(name: &str, value: &str) -> Pair {
        (name.to_owned(), value.to_owned())
    }

    #[tokio::test]
    async fn a_form_has_fields_and_then_a_file_however_it_comes() {
        let file = "name=f; filename=a.csv\nContent-Type: text/csv";
        let content = "a,b\n--y\n--\n".repeat(2_000);
        let form =
            part("name=\"a\"", "1") + &part("name=b", "") + &part(file, &content) + "--x--\n";
        for piece in [1, 7, 1_000, 1_000_000] {
            let (fields, media_type, read) = read(&form, piece).await.unwrap();
            assert_eq!(fields, [pair("a", "1"), pair("b", "")]);
            assert_eq!(media_type, "text/csv");
            assert!(read == content.replace('\n', "\r\n"), "in pieces of {piece}");
        }
        let bare = part("name=f; filename=\"\"", "") + "--x--";
        let nothing = (Vec::new(), UNKNOWN.to_owned(), String::new());
        assert_eq!(read(&bare, 10).await, Ok(nothing));
    }

    #[tokio::test]
    async fn what_is_no_such_form_is_refused() {
        let file = part("name=f; filename=a", "x");
        let cases = [
            (String::new(), "the form cannot be read"),
            ("x".to_owned(), "the form cannot be read"),
            (file.clone(), "the form cannot be read"),
            (
                part("name=a", "1") + "--x--",
                "the form has no file: a part with the name of one, after its fields",
            ),
            (
                file.clone() + &part("name=a", "1") + "--x--",
                "the file must be the last part of the form",
            ),
            (file.clone() + &file + "--x--", "the file must be the last part of the form"),
            (
                part("name=a", &"1".repeat(100 + FIELD)) + &file + "--x--",
                "the fields of the form are larger than 196 bytes",
            ),
            (
                part(&format!("name={}", "a".repeat(100 + FIELD)), "1") + &file + "--x--",
                "the fields of the form are larger than 196 bytes",
            ),
            (
                part("name=a", "").repeat(3) + &part("name=b", "1") + &file + "--x--",
                "the fields of the form are larger than 196 bytes",
            ),
        ];
        for (form, expected) in cases {
            for piece in [1, 1_000_000] {
                assert_eq!(read(&form, piece).await, Err(expected.to_owned()), "{form}");
            }
        }
    }

    #[tokio::test]
    async fn no_more_is_kept_than_there_is_room_for() {
        let large = "x".repeat(100_000);
        let message = "what is between two parts of the form is larger than 65536 bytes";
        for form in [large.clone(), part(&format!("name=f; filename={large}"), "x")] {
            assert_eq!(read(&form, 1_000_000).await, Err(message.to_owned()));
        }
    }
}
