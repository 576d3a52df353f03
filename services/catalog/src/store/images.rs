use souk_db::Access;
use souk_kit::condition::IfMatch;
use souk_kit::id::{ImageId, ProductId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use crate::Error;
use crate::image::{Content, Digest, Format, Image, ImageChange, NewImage};

impl FromRow<'_, PgRow> for Image {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: ImageId::from_uuid(row.try_get("id")?),
            product: ProductId::from_uuid(row.try_get("product_id")?),
            format: format(row)?,
            size: row.try_get::<i64, _>("size")?.try_into().map_err(decode)?,
            sha256: Digest(row.try_get("sha256")?),
            file_name: row.try_get("file_name")?,
            alt: row.try_get("alt")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

fn format(row: &PgRow) -> Result<Format, sqlx::Error> {
    let media_type: &str = row.try_get("content_type")?;
    Format::of_media_type(media_type).ok_or_else(|| decode(format!("no such format: {media_type}")))
}

fn decode(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

/// Notes that the bytes of an image are about to come; `false` when its product does not exist.
pub async fn begin(access: &Access, id: ImageId, new: &NewImage) -> Result<bool, sqlx::Error> {
    let begun = sqlx::query(
        "insert into images (id, product_id, file_name, alt)
         select $1, id, $3, $4 from products where id = $2 and deleted_at is null",
    );
    let begun = begun.bind(id.uuid()).bind(new.product.uuid()).bind(&new.file_name).bind(&new.alt);
    Ok(begun.execute(access).await?.rows_affected() == 1)
}

/// Adds an image, all of whose bytes are stored, to its product, as the last one; or tells the one that is there
/// with the same bytes. `None` when it was given up meanwhile, or its product does not exist.
pub async fn complete(
    transaction: &mut PgConnection,
    id: ImageId,
    product: ProductId,
    content: &Content,
) -> Result<Option<Image>, Error> {
    // products before images, as everywhere; who has the product is alone with its images
    let locked = "select from products where id = $1 and deleted_at is null for no key update";
    let locked = sqlx::query(locked).bind(product.uuid()).execute(&mut *transaction).await?;
    if locked.rows_affected() == 0 {
        return Ok(None);
    }
    let same = "select * from images where product_id = $1 and sha256 = $2 and state = 'ready'";
    let same = sqlx::query_as(same).bind(product.uuid()).bind(content.sha256.0);
    if let Some(image) = same.fetch_optional(&mut *transaction).await? {
        return Ok(Some(image));
    }
    let shown = sqlx::query(
        "update products set image_ids = image_ids || $2, version = version + 1, updated_at = now()
         where id = $1",
    );
    let shown = shown.bind(product.uuid()).bind(id.uuid()).execute(&mut *transaction).await;
    shown.map_err(write_error)?;
    let ready = sqlx::query_as(
        "update images set state = 'ready', content_type = $2, size = $3, sha256 = $4,
             created_at = now(), updated_at = now()
         where id = $1 and state = 'uploading' returning *",
    );
    let ready = ready
        .bind(id.uuid())
        .bind(content.format.media_type())
        .bind(i64::try_from(content.size).map_err(decode)?)
        .bind(content.sha256.0);
    Ok(ready.fetch_optional(transaction).await?)
}

/// Whether an upload goes on, as far as anybody knows.
pub async fn is_uploading(access: &Access, id: ImageId) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("select from images where id = $1 and state = 'uploading'");
    Ok(row.bind(id.uuid()).fetch_optional(access).await?.is_some())
}

/// Gives an image up whose bytes did not come, or that there is already.
pub async fn give_up(access: &Access, id: ImageId) -> Result<(), sqlx::Error> {
    let given_up = sqlx::query(
        "update images set state = 'deleted', updated_at = now()
         where id = $1 and state = 'uploading'",
    );
    given_up.bind(id.uuid()).execute(access).await.map(drop)
}

pub async fn get(access: &Access, id: ImageId) -> Result<Option<Image>, sqlx::Error> {
    let found = sqlx::query_as("select * from images where id = $1 and state = 'ready'");
    found.bind(id.uuid()).fetch_optional(access).await
}

/// The images of a product, in their order; `None` when it does not exist.
pub async fn of_product(
    access: &Access,
    product: ProductId,
) -> Result<Option<Vec<Image>>, sqlx::Error> {
    let rows = sqlx::query(
        "select images.* from products
         left join lateral unnest(image_ids) with ordinality as shown (image_id, place) on true
         left join images on images.id = image_id and state = 'ready'
         where products.id = $1 and deleted_at is null order by place",
    );
    let rows = rows.bind(product.uuid()).fetch_all(access).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    // a product without images is one row of nulls
    let has_image =
        |row: &&PgRow| row.try_get::<Option<Uuid>, _>("id").is_ok_and(|id| id.is_some());
    rows.iter().filter(has_image).map(Image::from_row).collect::<Result<_, _>>().map(Some)
}

/// Changes what has a value; `None` when there is no such image, or of no version that is meant.
pub async fn update(
    access: &Access,
    id: ImageId,
    if_match: &IfMatch,
    change: &ImageChange,
) -> Result<Option<Image>, sqlx::Error> {
    sqlx::query_as(
        "update images set
             file_name = coalesce($2, file_name),
             alt = coalesce($3, alt),
             version = version + 1,
             updated_at = now()
         where id = $1 and state = 'ready' and ($4::bigint[] is null or version = any ($4))
         returning *",
    )
    .bind(id.uuid())
    .bind(&change.file_name)
    .bind(&change.alt)
    .bind(if_match.versions())
    .fetch_optional(access)
    .await
}

/// Takes an image from its product; `false` when there is no such image, or of no version that is meant. Its
/// file is deleted by a sweep.
pub async fn delete(
    transaction: &mut PgConnection,
    id: ImageId,
    if_match: &IfMatch,
) -> Result<bool, sqlx::Error> {
    let locked = sqlx::query(
        "select from products where id = (select product_id from images where id = $1)
         for no key update",
    );
    locked.bind(id.uuid()).execute(&mut *transaction).await?;
    let deleted = sqlx::query(
        "with gone as (
             update images set state = 'deleted', updated_at = now()
             where id = $1 and state = 'ready' and ($2::bigint[] is null or version = any ($2))
             returning id, product_id
         )
         update products set image_ids = array_remove(image_ids, gone.id),
             version = version + 1, updated_at = now()
         from gone where products.id = gone.product_id",
    );
    let deleted = deleted.bind(id.uuid()).bind(if_match.versions()).execute(transaction).await?;
    Ok(deleted.rows_affected() == 1)
}

/// Gives up what was begun an hour ago, and tells some images whose files should go.
pub async fn unwanted(access: &Access, limit: i64) -> Result<Vec<ImageId>, sqlx::Error> {
    let abandoned = sqlx::query(
        "update images set state = 'deleted', updated_at = now()
         where state = 'uploading' and created_at < now() - interval '1 hour'",
    );
    abandoned.execute(access).await?;
    let deleted = sqlx::query_scalar(
        "select id from images where state = 'deleted' order by updated_at limit $1",
    );
    let deleted: Vec<Uuid> = deleted.bind(limit).fetch_all(access).await?;
    Ok(deleted.into_iter().map(ImageId::from_uuid).collect())
}

/// Has others come first, whose files may go.
pub async fn postpone(access: &Access, id: ImageId) -> Result<(), sqlx::Error> {
    let postponed = sqlx::query("update images set updated_at = now() where id = $1");
    postponed.bind(id.uuid()).execute(access).await.map(drop)
}

/// Forgets an image that has no file any more.
pub async fn forget(access: &Access, id: ImageId) -> Result<(), sqlx::Error> {
    let forgotten = sqlx::query("delete from images where id = $1 and state = 'deleted'");
    forgotten.bind(id.uuid()).execute(access).await.map(drop)
}

/// The images of a shard whose bytes are all stored.
pub async fn ready_in(access: &Access, shard: u8) -> Result<Vec<ImageId>, sqlx::Error> {
    let ids = sqlx::query_scalar(
        "select id from images where state = 'ready' and get_byte(uuid_send(id), 15) = $1",
    );
    let ids: Vec<Uuid> = ids.bind(i32::from(shard)).fetch_all(access).await?;
    Ok(ids.into_iter().map(ImageId::from_uuid).collect())
}

/// Those of the images that are known, whatever became of them.
pub async fn known(access: &Access, ids: &[ImageId]) -> Result<Vec<ImageId>, sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(ImageId::uuid).collect();
    let known = sqlx::query_scalar("select id from images where id = any ($1)");
    let known: Vec<Uuid> = known.bind(ids).fetch_all(access).await?;
    Ok(known.into_iter().map(ImageId::from_uuid).collect())
}

/// What files of this database are marked with, and whether they have been. Not anything that is in it: a copy
/// has another mark.
pub async fn mark(access: &Access) -> Result<(String, bool), sqlx::Error> {
    let mark = sqlx::query_as(
        "select system_identifier || '/' || oid, is_marked
         from image_store, pg_control_system(), pg_database where datname = current_database()",
    );
    mark.fetch_one(access).await
}

pub async fn note_marked(access: &Access) -> Result<(), sqlx::Error> {
    sqlx::query("update image_store set is_marked = true").execute(access).await.map(drop)
}

fn write_error(error: sqlx::Error) -> Error {
    match souk_db::constraint(&error) {
        Some("products_images_at_most") => Error::invalid(
            "product_id",
            format!("has {} images already, the most that there can be", crate::image::MOST),
        ),
        _ => Error::Database(error),
    }
}
