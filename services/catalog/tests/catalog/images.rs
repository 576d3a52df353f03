//! Images: what was acknowledged comes back as it was, and nothing else is left anywhere.

mod sweep;

use std::path::PathBuf;

use futures::channel::mpsc;
use futures::{SinkExt as _, StreamExt as _, TryStreamExt as _, future, stream};
use souk_kit::id::{self, ImageId, kind};
use souk_proto::souk::catalog::v2::{
    DeleteImageRequest, DeleteProductRequest, DownloadImageRequest, DownloadImageResponse,
    GetImageRequest, Image, ListImagesRequest, UpdateImageRequest, UpdateProductRequest,
    UploadImageRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::{MAX_IMAGE_BYTES, Shop, World, piece, png, reason, soon};

/// Downloads a part of an image: what is said of it, and the bytes.
async fn download(
    shop: &Shop,
    id: &str,
    offset: i64,
    limit: i64,
) -> Result<(DownloadImageResponse, Vec<u8>), Status> {
    let request = DownloadImageRequest { id: id.to_owned(), offset, limit };
    let mut parts = shop.client().download_image(request).await?.into_inner();
    let mut first = parts.message().await?.expect("a first part");
    let mut bytes = first.content.take().unwrap().data.to_vec();
    while let Some(part) = parts.message().await? {
        bytes.extend(part.content.unwrap().data);
    }
    Ok((first, bytes))
}

async fn images(shop: &Shop, product: &str) -> Vec<Image> {
    let request = ListImagesRequest { product_id: product.to_owned() };
    shop.client().list_images(request).await.unwrap().into_inner().data
}

async fn delete(shop: &Shop, id: &str) -> Result<(), Status> {
    let request = DeleteImageRequest { id: id.to_owned() };
    shop.client().delete_image(shop.admin(request)).await.map(drop)
}

/// Puts the images of a product in another order.
async fn reorder(shop: &Shop, product: &str, image_ids: Vec<String>) -> Result<(), Status> {
    let request = UpdateProductRequest { id: product.to_owned(), image_ids, ..Default::default() };
    shop.client().update_product(shop.admin(request)).await.map(drop)
}

/// The files of images that there are.
fn files(world: &World) -> Vec<PathBuf> {
    let within = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = within(world.images.path().to_owned()).map(|entry| entry.path());
    folders.flat_map(|folder| within(folder).map(|file| file.path())).collect()
}

fn file_of(world: &World, id: &str) -> PathBuf {
    let image: ImageId = id.parse().unwrap();
    let folder = format!("{:02x}", image.uuid().as_bytes()[15]);
    world.images.path().join(folder).join(id)
}

async fn rows(world: &World) -> i64 {
    let count = sqlx::query_scalar("select count(*) from images");
    count.fetch_one(&world.test.pool).await.unwrap()
}

/// How many bytes are sent at once.
const PIECE: usize = 200_000;

#[tokio::test]
async fn an_image_comes_back_as_it_was_uploaded_whole_and_in_part() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await;
    let bytes = png(100_000);
    let first = UploadImageRequest {
        file_name: "cover.png".to_owned(),
        alt: "The cover".to_owned(),
        ..piece(&product.id, &bytes[..5])
    };
    let rest = bytes[5..].chunks(30_000).map(|bytes| piece("", bytes));
    let parts = shop.admin(stream::iter([first].into_iter().chain(rest.collect::<Vec<_>>())));
    let image = shop.client().upload_image(parts).await.unwrap().into_inner();
    assert_eq!((image.content_type.as_str(), image.size), ("image/png", 100_000));
    assert_eq!((image.file_name.as_str(), image.alt.as_str()), ("cover.png", "The cover"));
    assert_eq!(images(&shop, &product.id).await, std::slice::from_ref(&image));

    let (about, whole) = download(&shop, &image.id, 0, 0).await.unwrap();
    assert_eq!(whole, bytes);
    assert_eq!((about.size, about.file_name.as_str()), (100_000, "cover.png"));
    assert_eq!(about.etag, format!("\"{}\"", image.sha256));
    for (offset, limit, expected) in [
        (0, 1, &bytes[..1]),
        (70_000, 0, &bytes[70_000..]),
        (70_000, 10, &bytes[70_000..70_010]),
        (-10, 0, &bytes[99_990..]),
        (-10, 4, &bytes[99_990..99_994]),
        (99_999, 50, &bytes[99_999..]),
        (100_000, 0, &[]),
        (i64::MAX, i64::MAX, &[]),
        (i64::MIN, 0, &bytes),
    ] {
        let (about, part) = download(&shop, &image.id, offset, limit).await.unwrap();
        assert!(part == expected, "{offset}, {limit}: {} bytes", part.len());
        assert_eq!(about.size, 100_000);
    }

    let after = shop.get(&product.id).await;
    assert_eq!(after.image_ids, [image.id]);
    assert_ne!(after.etag, product.etag, "its images are what a product says of itself");
    world.audit().await;
}

#[tokio::test]
async fn what_is_no_image_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    let most = usize::try_from(MAX_IMAGE_BYTES).unwrap();
    let unknown = id::new::<kind::Product>().to_string();
    let refusals: [(&str, &str, &[u8], Code); 7] = [
        (&product, "UNSUPPORTED_MEDIA_TYPE", b"<svg onload=\"alert(1)\">", Code::InvalidArgument),
        (&product, "UNSUPPORTED_MEDIA_TYPE", b"RIFF\0\0\0\0WAVEfmt ", Code::InvalidArgument),
        (&product, "UNSUPPORTED_MEDIA_TYPE", b"\xff\xd8", Code::InvalidArgument),
        (&product, "VALIDATION_FAILED", b"", Code::InvalidArgument),
        (&product, "PAYLOAD_TOO_LARGE", &png(most + 1), Code::ResourceExhausted),
        (&unknown, "NOT_FOUND", &png(100), Code::NotFound),
        ("x", "NOT_FOUND", &png(100), Code::NotFound),
    ];
    for (product, because, bytes, code) in refusals {
        let pieces: Vec<_> = bytes.chunks(PIECE).map(|bytes| piece(product, bytes)).collect();
        let pieces = if pieces.is_empty() { vec![piece(product, b"")] } else { pieces };
        let request = shop.admin(stream::iter(pieces));
        let refused = shop.client().upload_image(request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (code, because), "{refused:?}");
    }
    assert!(shop.upload(&product, &png(most)).await.is_err(), "more than a message may have");
    let pieces = png(most);
    let pieces = shop.admin(stream::iter(
        pieces.chunks(PIECE).map(|bytes| piece(&product, bytes)).collect::<Vec<_>>(),
    ));
    let largest = shop.client().upload_image(pieces).await.unwrap().into_inner();

    shop.work();
    soon("what came to nothing is forgotten", || async { rows(&world).await == 1 }).await;
    assert_eq!(files(&world), [file_of(&world, &largest.id)]);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    // more than is written at once
    let begun = png(2 << 20);
    let pieces: Vec<_> = begun.chunks(PIECE).map(|bytes| piece(&product, bytes)).collect();
    let unending = shop.admin(stream::iter(pieces).chain(stream::pending()));
    let mut client = shop.client();
    let begun = soon("some is written", || async { !files(&world).is_empty() });
    tokio::select! {
        answer = client.upload_image(unending) => panic!("the stream has no end: {answer:?}"),
        () = begun => {}
    }
    shop.work();
    soon("it is forgotten", || async { rows(&world).await == 0 }).await;
    assert_eq!(files(&world), [] as [PathBuf; 0]);
    assert_eq!(images(&shop, &product).await, []);
}

#[tokio::test]
async fn a_product_has_the_same_bytes_once_however_often_they_are_sent() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (one, other) = (shop.product("ONE", 1).await.id, shop.product("OTHER", 1).await.id);
    let bytes = png(5_000);
    let sent = future::join_all((0..10).map(|_| shop.upload(&one, &bytes))).await;
    let ids: Vec<_> = sent.into_iter().map(|image| image.unwrap().id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(shop.get(&one).await.image_ids, ids[..1]);

    let of_other = shop.upload(&other, &bytes).await.unwrap();
    assert_ne!(of_other.id, ids[0]);
    delete(&shop, &ids[0]).await.unwrap();
    let again = shop.upload(&one, &bytes).await.unwrap();
    assert_eq!(shop.get(&one).await.image_ids, [again.id.as_str()]);
    assert_eq!(download(&shop, &again.id, 0, 0).await.unwrap().1, bytes);

    shop.work();
    soon("there is a file for each image", || async { files(&world).len() == 2 }).await;
    world.audit().await;
}

#[tokio::test]
async fn images_that_are_uploaded_at_once_are_all_there_up_to_the_most_there_can_be() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    let uploads = (0..55).map(|_| async { shop.upload(&product, &png(2_000)).await });
    let done = future::join_all(uploads).await;
    let (done, refused): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (50, 5));
    for refused in refused {
        assert_eq!(reason(&refused.unwrap_err()), "VALIDATION_FAILED");
    }
    let first = done[0].as_ref().unwrap().id.clone();
    let bytes = download(&shop, &first, 0, 0).await.unwrap().1;
    let again = shop.upload(&product, &bytes).await.unwrap();
    assert_eq!(again.id, first, "what is there already is no image more");
    let mut expected: Vec<_> = done.into_iter().map(|image| image.unwrap().id).collect();
    let mut there = shop.get(&product).await.image_ids;
    let listed: Vec<_> = images(&shop, &product).await.into_iter().map(|image| image.id).collect();
    assert_eq!(listed, there);
    expected.sort();
    there.sort();
    assert_eq!(there, expected);
    world.audit().await;
}

#[tokio::test]
async fn images_are_put_in_order_and_none_is_lost_by_it() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    let stranger = shop.image(&shop.product("OTHER", 1).await.id).await.id;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(shop.image(&product).await.id);
    }
    let order = vec![ids[2].clone(), ids[0].clone(), ids[1].clone()];
    reorder(&shop, &product, order.clone()).await.unwrap();
    assert_eq!(shop.get(&product).await.image_ids, order);
    let listed: Vec<_> = images(&shop, &product).await.into_iter().map(|image| image.id).collect();
    assert_eq!(listed, order);

    let all_but_one = ids[..2].to_vec();
    let with_a_stranger = vec![ids[0].clone(), ids[1].clone(), stranger];
    let twice = vec![ids[0].clone(), ids[1].clone(), ids[1].clone()];
    for wrong in [all_but_one, with_a_stranger, twice] {
        let refused = reorder(&shop, &product, wrong).await.unwrap_err();
        assert_eq!(reason(&refused), "VALIDATION_FAILED");
    }
    assert_eq!(shop.get(&product).await.image_ids, order);

    // other changes leave them alone
    let request = UpdateProductRequest {
        id: product.clone(),
        name: Some("Named".to_owned()),
        ..Default::default()
    };
    shop.client().update_product(shop.admin(request)).await.unwrap();
    assert_eq!(shop.get(&product).await.image_ids, order);
    delete(&shop, &ids[0]).await.unwrap();
    assert_eq!(shop.get(&product).await.image_ids, [ids[2].as_str(), ids[1].as_str()]);
    world.audit().await;
}

#[tokio::test]
async fn what_is_said_of_an_image_changes_and_its_bytes_never_do() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    let bytes = png(3_000);
    let image = shop.upload(&product, &bytes).await.unwrap();
    let request = UpdateImageRequest {
        id: image.id.clone(),
        alt: Some("Its back".to_owned()),
        file_name: Some("back.png".to_owned()),
        ..UpdateImageRequest::default()
    };
    let changed = shop.client().update_image(shop.admin(request)).await.unwrap().into_inner();
    assert_eq!((changed.alt.as_str(), changed.file_name.as_str()), ("Its back", "back.png"));
    assert_ne!(changed.etag, image.etag);
    let found = shop.client().get_image(GetImageRequest { id: image.id.clone() }).await.unwrap();
    assert_eq!(found.into_inner(), changed);
    let (about, downloaded) = download(&shop, &image.id, 0, 0).await.unwrap();
    assert_eq!((about.etag, downloaded), (format!("\"{}\"", image.sha256), bytes));
}

#[tokio::test]
async fn what_is_deleted_is_nowhere_any_more_and_goes_with_its_product() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    let (one, other) = (shop.image(&product).await.id, shop.image(&product).await.id);
    delete(&shop, &one).await.unwrap();
    assert_eq!(delete(&shop, &one).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(download(&shop, &one, 0, 0).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(shop.get(&product).await.image_ids, [other.as_str()]);

    let request = DeleteProductRequest { id: product.clone() };
    shop.client().delete_product(shop.admin(request)).await.unwrap();
    assert_eq!(download(&shop, &other, 0, 0).await.unwrap_err().code(), Code::NotFound);
    let request = ListImagesRequest { product_id: product.clone() };
    assert_eq!(shop.client().list_images(request).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(shop.upload(&product, &png(100)).await.unwrap_err().code(), Code::NotFound);

    shop.work();
    soon("no file is left", || async { files(&world).is_empty() }).await;
    soon("no row is left", || async { rows(&world).await == 0 }).await;
}

#[tokio::test]
async fn a_download_that_is_under_way_ends_well_when_its_image_is_deleted() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    let bytes = png(2 << 20);
    let pieces: Vec<_> = bytes.chunks(PIECE).map(|bytes| piece(&product, bytes)).collect();
    let upload = shop.client().upload_image(shop.admin(stream::iter(pieces))).await;
    let id = upload.unwrap().into_inner().id;
    let request = DownloadImageRequest { id: id.clone(), offset: 0, limit: 0 };
    let mut parts = shop.client().download_image(request).await.unwrap().into_inner();
    let mut read = parts.message().await.unwrap().unwrap().content.unwrap().data.to_vec();

    delete(&shop, &id).await.unwrap();
    shop.work();
    soon("its file goes", || async { files(&world).is_empty() }).await;
    let rest: Vec<_> = parts.try_collect().await.unwrap();
    rest.into_iter().for_each(|part| read.extend(part.content.unwrap().data));
    assert!(read == bytes);
}

#[tokio::test]
async fn a_product_that_is_deleted_during_an_upload_has_no_image_and_it_is_not_our_fault() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    shop.work();
    let bytes = png(2 << 20);
    let (sender, pieces) = mpsc::channel(20);
    let mut client = shop.client();
    let request = shop.admin(pieces);
    let upload = tokio::spawn(async move { client.upload_image(request).await });
    let (last, begun) = bytes.split_last_chunk::<1_000>().map(|(rest, last)| (last, rest)).unwrap();
    for part in begun.chunks(PIECE) {
        sender.clone().send(piece(&product, part)).await.unwrap();
    }
    soon("some is written", || async { !files(&world).is_empty() }).await;
    let request = DeleteProductRequest { id: product.clone() };
    shop.client().delete_product(shop.admin(request)).await.unwrap();
    soon("it is cleared away", || async { rows(&world).await == 0 }).await;
    sender.clone().send(piece(&product, last)).await.unwrap();
    drop(sender);
    let refused = upload.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused:?}");
    assert_eq!(files(&world), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn uploads_that_do_not_go_on_are_as_many_as_there_is_room_for_and_others_are_told_so() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    let stalled = (0..16).map(|_| {
        let (mut client, begun) = (shop.client(), piece(&product, &png(1_000)));
        let unending = shop.admin(stream::iter([begun]).chain(stream::pending()));
        tokio::spawn(async move { client.upload_image(unending).await })
    });
    let stalled: Vec<_> = stalled.collect();
    soon("all have begun", || async { rows(&world).await == 16 }).await;
    let refused = shop.upload(&product, &png(1_000)).await.unwrap_err();
    assert_eq!(reason(&refused), "OVERLOADED");
    assert!(refused.get_details_retry_info().is_some());
    stalled.into_iter().for_each(|upload| upload.abort());
    soon("they leave room", || async { shop.upload(&product, &png(1_000)).await.is_ok() }).await;
}
