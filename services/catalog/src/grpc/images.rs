//! Images: uploaded, downloaded, listed, changed and deleted.

use std::future::ready;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use souk_kit::download::part;
use souk_kit::failure::validate;
use souk_kit::id::{ImageId, ProductId};
use souk_kit::request::open_named;
use souk_proto::souk::catalog::v2::{
    DeleteImageRequest, DownloadImageRequest, DownloadImageResponse, GetImageRequest, Image,
    ListImagesRequest, ListImagesResponse, UpdateImageRequest, UploadImageRequest,
};
use tonic::{Request, Response, Status, Streaming};

use super::messages::images::{all, beginning, change, going_on, new_image};
use super::messages::path_id;
use super::products::product_id;
use super::{Answers, Handlers, Reply};
use crate::Error;

fn image_id(id: &str) -> Result<ImageId, Error> {
    path_id("image", id)
}

pub async fn upload(
    handlers: &Handlers,
    request: Request<Streaming<UploadImageRequest>>,
) -> Reply<Image> {
    let mut parts = request.into_inner();
    let first = parts.message().await?.unwrap_or_default();
    let product = product_id(&first.product_id)?;
    validate(&first).map_err(Error::from)?;
    let (new, bytes) = new_image(product, first);
    let rest = parts.and_then(move |part| ready(bytes_of(product, part).map_err(Status::from)));
    let bytes = stream::iter([Ok(bytes)]).chain(rest);
    let image = handlers.imaging.upload(new, bytes).await?;
    Ok(Response::new(image.into()))
}

/// The bytes of a part after the first, which may name the product again, but no other.
fn bytes_of(product: ProductId, part: UploadImageRequest) -> Result<Bytes, Error> {
    if !part.product_id.is_empty() && product_id(&part.product_id)? != product {
        return Err(Error::invalid("product_id", "must be that of the first message"));
    }
    Ok(part.file.unwrap_or_default().data)
}

pub async fn download(
    handlers: &Handlers,
    request: Request<DownloadImageRequest>,
) -> Reply<Answers<DownloadImageResponse>> {
    let (context, id, message) = open_named(request, |message| image_id(&message.id))?;
    let image = handlers.imaging.get(&handlers.until(&context), id).await?;
    let range = part(message.offset, message.limit, image.size);
    let mut bytes = handlers.imaging.read(&image, range).await?.map_err(Error::from);
    let first = beginning(&image, bytes.try_next().await?.unwrap_or_default());
    let rest = bytes.map_ok(going_on).map_err(Status::from);
    Ok(Response::new(stream::iter([Ok(first)]).chain(rest).boxed()))
}

pub async fn get(handlers: &Handlers, request: Request<GetImageRequest>) -> Reply<Image> {
    let (context, id, _) = open_named(request, |message| image_id(&message.id))?;
    let image = handlers.imaging.get(&handlers.until(&context), id).await?;
    Ok(Response::new(image.into()))
}

pub async fn list(
    handlers: &Handlers,
    request: Request<ListImagesRequest>,
) -> Reply<ListImagesResponse> {
    let (context, product, _) = open_named(request, |message| product_id(&message.product_id))?;
    let images = handlers.imaging.list(&handlers.until(&context), product).await?;
    Ok(Response::new(all(images)))
}

pub async fn update(handlers: &Handlers, request: Request<UpdateImageRequest>) -> Reply<Image> {
    let (context, id, message) = open_named(request, |message| image_id(&message.id))?;
    let (change, access) = (change(message), handlers.until(&context));
    let image = handlers.imaging.change(&access, id, &context.if_match, &change).await?;
    Ok(Response::new(image.into()))
}

pub async fn delete(handlers: &Handlers, request: Request<DeleteImageRequest>) -> Reply<()> {
    let (context, id, _) = open_named(request, |message| image_id(&message.id))?;
    handlers.imaging.delete(&handlers.until(&context), id, &context.if_match).await?;
    Ok(Response::new(()))
}
