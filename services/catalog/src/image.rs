//! Images: what may be uploaded of a product, and what is known of it.

use souk_kit::id::{ImageId, ProductId};
use time::OffsetDateTime;

/// How many images a product has at most: the schema of the database knows it, too.
pub const MOST: usize = 50;

/// An image whose bytes are all stored.
#[derive(Debug, Clone)]
pub struct Image {
    pub id: ImageId,
    pub product: ProductId,
    pub format: Format,
    /// In bytes.
    pub size: u64,
    /// Of its bytes.
    pub sha256: Digest,
    /// As it was uploaded; empty when it had none.
    pub file_name: String,
    pub alt: String,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl Image {
    /// What its file is called by those who save it: as it was called when it was uploaded, but for what could
    /// make more of it than an image.
    pub fn download_name(&self) -> String {
        let name = self.file_name.rsplit(['/', '\\']).next().unwrap_or_default();
        let is_text = |letter: &char| !letter.is_control() && !is_of_direction(*letter);
        let name: String = name.chars().filter(is_text).collect();
        let stem = match name.rsplit_once('.') {
            Some((stem, extension)) if self.format.has_extension(extension) => {
                return if stem.is_empty() { self.made_name() } else { name };
            }
            _ => name.trim(),
        };
        if stem.is_empty() {
            self.made_name()
        } else {
            format!("{stem}.{}", self.format.extension())
        }
    }

    fn made_name(&self) -> String {
        format!("{}.{}", self.id, self.format.extension())
    }
}

/// An image to upload.
#[derive(Debug, Clone)]
pub struct NewImage {
    pub product: ProductId,
    pub file_name: String,
    pub alt: String,
}

/// What to change of an image; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub struct ImageChange {
    pub file_name: Option<String>,
    pub alt: Option<String>,
}

/// What the bytes of an image have shown of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    pub format: Format,
    pub size: u64,
    pub sha256: Digest,
}

/// A SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl std::fmt::Display for Digest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// What the bytes of an image are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    Webp,
    Gif,
}

impl Format {
    /// How many of the first bytes tell.
    pub const TELLING: usize = 12;

    const ALL: [Self; 4] = [Self::Jpeg, Self::Png, Self::Webp, Self::Gif];

    /// The format of a file that begins so; `None` when it is none of those that images may have.
    pub fn of(beginning: &[u8]) -> Option<Self> {
        match beginning {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            _ => None,
        }
    }

    /// The media type (RFC 6838).
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
        }
    }

    /// The format of this media type.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.media_type() == media_type)
    }

    fn has_extension(self, extension: &str) -> bool {
        let is = |known: &str| extension.eq_ignore_ascii_case(known);
        is(self.extension()) || (self == Self::Jpeg && (is("jpeg") || is("jpe")))
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Gif => "gif",
        }
    }
}

/// Whether a character turns the direction of text around, so that `gnp.exe` reads as `exe.png` (Unicode TR 36).
fn is_of_direction(letter: char) -> bool {
    matches!(letter, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_what_it_is() {
        let mut image = Image {
            id: souk_kit::id::new(),
            product: souk_kit::id::new(),
            format: Format::Png,
            size: 1,
            sha256: Digest([0; 32]),
            file_name: String::new(),
            alt: String::new(),
            version: 1,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        };
        let made = format!("{}.png", image.id);
        for (uploaded, expected) in [
            ("cup.png", "cup.png"),
            ("Cup 1.PNG", "Cup 1.PNG"),
            ("cup", "cup.png"),
            ("cup.html", "cup.html.png"),
            ("../../etc/passwd", "passwd.png"),
            ("C:\\cups\\cup.jpg", "cup.jpg.png"),
            ("\u{202e}gnp.exe", "gnp.exe.png"),
            ("a\r\nb.png", "ab.png"),
            ("b\u{fc}cher.png", "b\u{fc}cher.png"),
            (".png", &made),
            ("a/", &made),
            ("", &made),
        ] {
            image.file_name = uploaded.to_owned();
            assert_eq!(image.download_name(), expected, "{uploaded}");
        }
    }

    #[test]
    fn the_first_bytes_tell_what_a_file_is() {
        for (beginning, expected) in [
            (b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01".as_slice(), Some(Format::Jpeg)),
            (b"\x89PNG\r\n\x1a\n\0\0\0\r", Some(Format::Png)),
            (b"RIFF\x24\0\0\0WEBP", Some(Format::Webp)),
            (b"GIF89a\x01\0\x01\0\0\0", Some(Format::Gif)),
            (b"GIF87a\x01\0\x01\0\0\0", Some(Format::Gif)),
            (b"RIFF\x24\0\0\0WAVE", None),
            (b"<svg xmlns=\"", None),
            (b"<html><body>", None),
            (b"\xff\xd8", None),
            (b"", None),
        ] {
            assert_eq!(Format::of(beginning), expected, "{beginning:?}");
        }
    }

    #[test]
    fn a_format_is_known_by_its_media_type() {
        for format in Format::ALL {
            assert_eq!(Format::of_media_type(format.media_type()), Some(format));
        }
        assert_eq!(Format::of_media_type("image/svg+xml"), None);
    }
}
