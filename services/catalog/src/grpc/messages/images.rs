//! Images.

use bytes::Bytes;
use souk_kit::cursor::Total;
use souk_kit::id::ProductId;
use souk_kit::mask::Mask;
use souk_kit::page::Position;
use souk_kit::wire;
use souk_proto::google::api::HttpBody;
use souk_proto::souk::catalog::v2 as proto;

use super::etag;
use crate::image::{self, Image, ImageChange, NewImage};

/// What the first part of an image says of it, and its bytes.
pub fn new_image(product: ProductId, message: proto::UploadImageRequest) -> (NewImage, Bytes) {
    let new = NewImage { product, file_name: message.file_name, alt: message.alt };
    (new, message.file.unwrap_or_default().data)
}

pub fn change(message: proto::UpdateImageRequest) -> ImageChange {
    let mask = Mask::of(message.update_mask);
    ImageChange {
        file_name: mask.clearable("file_name", message.file_name),
        alt: mask.clearable("alt", message.alt),
    }
}

/// All that is known of an image, and the first of its bytes.
pub fn beginning(image: &Image, bytes: Bytes) -> proto::DownloadImageResponse {
    let content_type = image.format.media_type().to_owned();
    proto::DownloadImageResponse {
        content: Some(HttpBody { content_type, data: bytes, extensions: Vec::new() }),
        size: i64::try_from(image.size).unwrap_or(i64::MAX),
        etag: format!("\"{}\"", image.sha256),
        file_name: image.download_name(),
    }
}

/// Bytes of an image after the first.
pub fn going_on(bytes: Bytes) -> proto::DownloadImageResponse {
    let content = HttpBody { data: bytes, ..HttpBody::default() };
    proto::DownloadImageResponse { content: Some(content), ..Default::default() }
}

/// All images of a product: there is one page only.
pub fn all(images: Vec<Image>) -> proto::ListImagesResponse {
    let pagination = wire::pagination(Position {
        size: image::MOST as i32,
        next_cursor: None,
        total: Total::Exactly(images.len() as i32),
        number: None,
    });
    let data = images.into_iter().map(proto::Image::from).collect();
    proto::ListImagesResponse { data, pagination: Some(pagination) }
}

impl From<Image> for proto::Image {
    fn from(image: Image) -> Self {
        Self {
            file_name: image.download_name(),
            id: image.id.to_string(),
            product_id: image.product.to_string(),
            content_type: image.format.media_type().to_owned(),
            size: i32::try_from(image.size).unwrap_or(i32::MAX),
            alt: image.alt,
            sha256: image.sha256.to_string(),
            created_at: Some(wire::timestamp(image.created_at)),
            updated_at: Some(wire::timestamp(image.updated_at)),
            etag: etag(image.version),
        }
    }
}
