//! What clears away: a file without an image, an image without a file, and what a process that died has left.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use souk_kit::id::{self, ImageId, kind};
use tonic::Code;

use super::{delete, download, file_of, images, rows};
use crate::support::{World, png, sku, soon};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A file of an image that no row knows, as old as this.
fn orphan(world: &World, age: Duration) -> PathBuf {
    let file = file_of(world, &id::new::<kind::Image>().to_string());
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, png(100)).unwrap();
    let written = SystemTime::now().checked_sub(age).unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(written).unwrap();
    file
}

async fn is_gone(path: &Path) -> bool {
    !path.exists()
}

#[tokio::test]
async fn files_without_an_image_go_and_images_without_a_file_do_too() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    let (lost, kept) = (shop.image(&product).await.id, shop.image(&product).await.id);
    std::fs::remove_file(file_of(&world, &lost)).unwrap();
    let old = orphan(&world, 2 * DAY);
    let young = orphan(&world, DAY / 2);
    let foreign = world.images.path().join("ab").join("notes.txt");
    std::fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    std::fs::write(&foreign, "not ours").unwrap();

    shop.work();
    soon("the file goes", || is_gone(&old)).await;
    soon("the image goes", || async { rows(&world).await == 1 }).await;
    assert_eq!(shop.get(&product).await.image_ids, [kept.as_str()]);
    assert_eq!(download(&shop, &lost, 0, 0).await.unwrap_err().code(), Code::NotFound);
    assert!(download(&shop, &kept, 0, 0).await.is_ok());
    assert!(young.exists(), "somebody may be about to make a row of it");
    assert!(foreign.exists(), "what is no image is not ours");
    world.audit().await;
}

#[tokio::test]
async fn an_upload_of_a_process_that_died_is_cleared_away() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await;
    let left: ImageId = id::new();
    let insert = sqlx::query(
        "insert into images (id, product_id, file_name, alt, created_at)
         select $1, id, '', '', now() - interval '2 hours' from products",
    );
    insert.bind(left.uuid()).execute(&world.test.pool).await.unwrap();
    let file = file_of(&world, &left.to_string());
    let unfinished = PathBuf::from(format!("{}#1", file.display()));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&unfinished, "some of it").unwrap();
    assert_eq!(images(&shop, &product.id).await, []);

    shop.work();
    soon("its file goes", || is_gone(&unfinished)).await;
    soon("its row goes", || async { rows(&world).await == 0 }).await;
}

#[tokio::test]
async fn a_copy_of_a_catalog_deletes_nothing_that_the_original_has() {
    let (world, mut other) = (World::new().await, World::new().await);
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    let image = shop.image(&product).await.id;
    let old = orphan(&world, 2 * DAY);
    shop.work();
    soon("the store is marked, and swept", || is_gone(&old)).await;

    // a copy that was pointed to the same folder, and has deleted the image
    let (theirs, id) = (file_of(&world, &image), image.parse::<ImageId>().unwrap());
    let old = SystemTime::now().checked_sub(2 * DAY).unwrap();
    std::fs::File::options().write(true).open(&theirs).unwrap().set_modified(old).unwrap();
    other.images = world.images;
    let copy = other.shop().await;
    copy.product("BOOK", 1).await;
    let copied = "insert into images (id, product_id, state, file_name, alt)
                  select $1, id, 'deleted', '', '' from products";
    sqlx::query(copied).bind(id.uuid()).execute(&other.test.pool).await.unwrap();
    copy.work();
    // which takes longer than a sweep, that it does not begin
    for _ in 0..20 {
        copy.image(&copy.product(&sku(), 1).await.id).await;
    }
    assert!(theirs.exists());
    assert_eq!(rows(&other).await, 21, "nor does it forget what it has not deleted");
    assert_eq!(download(&shop, &image, 0, 0).await.unwrap().0.size, 1_000);
}

#[tokio::test]
async fn a_file_that_cannot_be_deleted_holds_up_no_other() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    let (stuck, other) = (shop.image(&product).await.id, shop.image(&product).await.id);
    // a folder in its place
    std::fs::remove_file(file_of(&world, &stuck)).unwrap();
    std::fs::create_dir_all(file_of(&world, &stuck).join("in the way")).unwrap();
    delete(&shop, &stuck).await.unwrap();
    delete(&shop, &other).await.unwrap();
    shop.work();
    soon("the other goes", || async { rows(&world).await == 1 }).await;
    assert!(!file_of(&world, &other).exists());
}
