//! Content codings: what an answer is compressed with (RFC 9110, sections 8.4 and 12.5.3).

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Smaller bodies fit a packet or two as they are.
const MIN_BYTES: usize = 1024;
/// Larger ones are compressed on a thread where that keeps nobody waiting.
const INLINE_BYTES: usize = 64 * 1024;
/// How hard to try: about what takes as long as sending would.
const BROTLI_QUALITY: u32 = 4;
const BROTLI_WINDOW: u32 = 20;
const BROTLI_BUFFER: usize = 16 * 1024;
const GZIP_LEVEL: u32 = 5;
const ZSTD_LEVEL: i32 = 3;

/// Large ones that are compressed at once: each takes a thread and some MiB. Beside them others are sent
/// as they are.
static LARGE: Semaphore = Semaphore::const_new(2);

/// The right to compress an answer; it goes back when it is dropped.
pub(crate) struct Room {
    _permit: Option<SemaphorePermit<'static>>,
}

/// A coding that we have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    /// As good as each other for the client: the one that costs least comes first.
    const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// As headers have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The coding for an answer of this many bytes, if it is worth one and the client takes one.
    /// Notes what the choice depends on.
    pub(crate) fn choose(
        request: &HeaderMap,
        status: StatusCode,
        response: &mut HeaderMap,
        bytes: usize,
    ) -> Option<Self> {
        let is_whole =
            status != StatusCode::PARTIAL_CONTENT && !response.contains_key(CONTENT_RANGE);
        if bytes < MIN_BYTES || !is_whole || !is_compressible(response) {
            return None;
        }
        response.append(VARY, HeaderValue::from(ACCEPT_ENCODING));
        preferred(request.get(ACCEPT_ENCODING)?.to_str().ok()?)
    }

    /// Whether the client takes it.
    pub(crate) fn is_taken(self, request: &HeaderMap) -> bool {
        let accepted = request.get(ACCEPT_ENCODING).and_then(|accepted| accepted.to_str().ok());
        accepted.and_then(|accepted| weight(accepted, self.name())).unwrap_or(0.0) > 0.0
    }

    /// The right to compress so many bytes; `None` where too many do so already.
    pub(crate) fn room(bytes: usize) -> Option<Room> {
        if bytes <= INLINE_BYTES {
            return Some(Room { _permit: None });
        }
        LARGE.try_acquire().ok().map(|permit| Room { _permit: Some(permit) })
    }

    /// The content in this coding.
    pub(crate) async fn encode(self, content: Bytes, room: Room) -> io::Result<Bytes> {
        if content.len() <= INLINE_BYTES {
            return self.compress(&content);
        }
        // it goes on when its client leaves, and has its room until then
        let compressing = move || {
            let _room = room;
            self.compress(&content)
        };
        tokio::task::spawn_blocking(compressing).await?
    }

    fn compress(self, content: &[u8]) -> io::Result<Bytes> {
        let out = Vec::with_capacity(content.len() / 3);
        Ok(match self {
            Self::Zstd => zstd::bulk::compress(content, ZSTD_LEVEL)?.into(),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, Compression::new(GZIP_LEVEL));
                encoder.write_all(content)?;
                encoder.finish()?.into()
            }
            Self::Brotli => {
                let mut encoder = brotli::CompressorWriter::new(
                    out,
                    BROTLI_BUFFER,
                    BROTLI_QUALITY,
                    BROTLI_WINDOW,
                );
                encoder.write_all(content)?;
                encoder.into_inner().into()
            }
        })
    }
}

/// Whether an answer is text that has no coding yet, and may have one.
fn is_compressible(response: &HeaderMap) -> bool {
    let text = |name| response.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = text(CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    let is_text = media.starts_with("text/")
        || media.ends_with("json")
        || matches!(media, "application/javascript" | "application/yaml" | "image/svg+xml");
    is_text
        && !response.contains_key(CONTENT_ENCODING)
        && !text(CACHE_CONTROL).contains("no-transform")
}

/// Which of ours the client likes best; `None` is the content as it stands.
fn preferred(accepted: &str) -> Option<Coding> {
    let plain = weight(accepted, "identity").unwrap_or(0.0);
    let mut best = None;
    let mut most = plain.max(f32::MIN_POSITIVE);
    for coding in Coding::ALL {
        let weight = weight(accepted, coding.name()).unwrap_or(0.0);
        if weight > most || (best.is_none() && weight >= most) {
            (best, most) = (Some(coding), weight);
        }
    }
    best
}

/// How much the client likes a coding; `None` where it does not say.
fn weight(accepted: &str, name: &str) -> Option<f32> {
    let named = |wanted: &str| {
        accepted.split(',').find_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let is_it = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case(wanted));
            is_it.then(|| quality(parts))
        })
    };
    named(name).or_else(|| named("*"))
}

/// The weight of an item of a list (RFC 9110, section 12.4.2); one that cannot be read is none.
pub(crate) fn quality<'p>(mut parameters: impl Iterator<Item = &'p str>) -> f32 {
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    match value.map(str::parse::<f32>) {
        None => 1.0,
        Some(Ok(quality)) if (0.0..=1.0).contains(&quality) => quality,
        Some(_) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses_and_we_do_where_it_does_not_care() {
        use Coding::*;
        let cases = [
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("gzip, br", Some(Brotli)),
            ("br;q=0.5, gzip;q=0.8", Some(Gzip)),
            ("*", Some(Zstd)),
            ("*, zstd;q=0", Some(Brotli)),
            ("GZIP", Some(Gzip)),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip", Some(Gzip)),
            ("gzip;q=0", None),
            ("gzip;q=2", None),
            ("gzip;q=x", None),
            ("deflate", None),
            ("", None),
        ];
        for (accepted, expected) in cases {
            assert_eq!(preferred(accepted), expected, "{accepted}");
        }
    }

    #[test]
    fn only_text_that_has_no_coding_is_compressed() {
        let request: HeaderMap =
            [(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))].into_iter().collect();
        let choose = |headers: &[(http::HeaderName, &'static str)], bytes| {
            let headers =
                headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            let mut response: HeaderMap = headers.collect();
            Coding::choose(&request, StatusCode::OK, &mut response, bytes)
        };
        for media in ["application/json", "text/html; charset=utf-8", "application/problem+json"] {
            assert_eq!(choose(&[(CONTENT_TYPE, media)], 2000), Some(Coding::Gzip), "{media}");
            assert_eq!(choose(&[(CONTENT_TYPE, media)], 1000), None);
            assert_eq!(choose(&[(CONTENT_TYPE, media), (CONTENT_ENCODING, "br")], 2000), None);
            assert_eq!(
                choose(&[(CONTENT_TYPE, media), (CACHE_CONTROL, "no-transform")], 2000),
                None
            );
        }
        for media in ["image/png", "application/octet-stream"] {
            assert_eq!(choose(&[(CONTENT_TYPE, media)], 2000), None, "{media}");
        }
    }

    #[test]
    fn large_answers_are_compressed_a_few_at_a_time() {
        let rooms: Vec<Option<Room>> = (0..9).map(|_| Coding::room(200_000)).collect();
        assert_eq!(rooms.iter().flatten().count(), 2);
        assert!(Coding::room(INLINE_BYTES).is_some());
        drop(rooms);
        assert!(Coding::room(200_000).is_some());
    }

    #[tokio::test]
    async fn each_coding_gives_the_content_back() {
        use std::io::Read as _;
        for length in [2_000, 200_000] {
            let content = Bytes::from("some text, again and again; ".repeat(length / 28));
            for coding in Coding::ALL {
                let encoded = coding.encode(content.clone(), Room { _permit: None }).await.unwrap();
                assert!(encoded.len() < content.len() / 4);
                let mut decoded = Vec::new();
                match coding {
                    Coding::Zstd => {
                        zstd::Decoder::new(&*encoded).unwrap().read_to_end(&mut decoded)
                    }
                    Coding::Gzip => {
                        flate2::read::GzDecoder::new(&*encoded).read_to_end(&mut decoded)
                    }
                    Coding::Brotli => {
                        brotli::Decompressor::new(&*encoded, 4096).read_to_end(&mut decoded)
                    }
                }
                .unwrap();
                assert_eq!(decoded, content);
            }
        }
    }
}
