use souk_db::Access;
use souk_kit::id::ImportId;
use souk_kit::page::{Entry, Window};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use crate::import::{Import, NewImport, Rejection, Session, State};
use crate::product_type::TypeName;
use crate::stock::Actor;

impl FromRow<'_, PgRow> for Import {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let word: &str = row.try_get("state")?;
        let state = State::from_word(word)
            .ok_or_else(|| sqlx::Error::Decode(format!("no such state: {word}").into()))?;
        Ok(Self {
            id: ImportId::from_uuid(row.try_get("id")?),
            state,
            dry_run: row.try_get("dry_run")?,
            product_type: row.try_get::<Option<String>, _>("type")?.and_then(TypeName::parse),
            source: row.try_get("source")?,
            created: row.try_get("created")?,
            updated: row.try_get("updated")?,
            rejected: row.try_get("rejected")?,
            last_line: row.try_get("last_line")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

impl FromRow<'_, PgRow> for Session {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: ImportId::from_uuid(row.try_get("id")?),
            epoch: row.try_get("epoch")?,
            dry_run: row.try_get("dry_run")?,
            product_type: row.try_get::<Option<String>, _>("type")?.and_then(TypeName::parse),
            ordered: row.try_get("ordered")?,
            batches: row.try_get("batches")?,
            last_line: row.try_get("last_line")?,
        })
    }
}

pub async fn insert(
    access: &Access,
    id: ImportId,
    new: &NewImport,
    actor: &Actor,
) -> Result<Import, sqlx::Error> {
    sqlx::query_as(
        "insert into imports (id, dry_run, type, source, actor, ordered)
         values ($1, $2, $3, $4, $5, $6) returning *",
    )
    .bind(id.uuid())
    .bind(new.dry_run)
    .bind(new.product_type.as_ref().map(TypeName::as_str))
    .bind(&new.source)
    .bind(actor.as_str())
    .bind(new.ordered)
    .fetch_one(access)
    .await
}

pub async fn get(access: &Access, id: ImportId) -> Result<Option<Import>, sqlx::Error> {
    let found = sqlx::query_as("select * from imports where id = $1");
    found.bind(id.uuid()).fetch_optional(access).await
}

/// Imports, newest first.
pub async fn list(access: &Access, window: Window) -> Result<Vec<Entry<Import>>, sqlx::Error> {
    let rows =
        sqlx::query("select * from imports where id < $1 order by id desc limit $2 offset $3")
            .bind(window.after.unwrap_or(Uuid::max()))
            .bind(window.limit)
            .bind(window.offset)
            .fetch_all(access)
            .await?;
    souk_db::entries(&rows)
}

/// Makes a stream the one that stores rows of an import; `None` when no open import has the id.
pub async fn take_over(access: &Access, id: ImportId) -> Result<Option<Session>, sqlx::Error> {
    let taken = sqlx::query_as(
        "update imports set epoch = epoch + 1, updated_at = now()
         where id = $1 and state = 'open' returning *",
    );
    taken.bind(id.uuid()).fetch_optional(access).await
}

/// Ends an open import; `None` when no open one has the id.
pub async fn end(
    access: &Access,
    id: ImportId,
    state: State,
) -> Result<Option<Import>, sqlx::Error> {
    let ended = sqlx::query_as(
        "update imports set state = $2, updated_at = now()
         where id = $1 and state = 'open' returning *",
    );
    ended.bind(id.uuid()).bind(state.as_str()).fetch_optional(access).await
}

/// Completes an import; `false` when another stream has taken it over, or it has ended otherwise. Once it is
/// completed by this stream it stays so.
pub async fn complete(access: &Access, session: &Session) -> Result<bool, sqlx::Error> {
    let completed = sqlx::query(
        "update imports set state = 'completed', updated_at = now()
         where id = $1 and epoch = $2 and state in ('open', 'completed')",
    );
    let completed = completed.bind(session.id.uuid()).bind(session.epoch).execute(access).await?;
    Ok(completed.rows_affected() == 1)
}

/// Has an import at this batch, and to itself until the end of the transaction; `false` when it is not at the
/// one before, or not this stream's any more.
pub async fn advance(
    connection: &mut PgConnection,
    session: &Session,
    number: i32,
    last_line: i32,
) -> Result<bool, sqlx::Error> {
    let advanced = sqlx::query(
        "update imports set batches = $3, last_line = $4, updated_at = now()
         where id = $1 and epoch = $2 and state = 'open' and batches = $3 - 1",
    );
    let advanced =
        advanced.bind(session.id.uuid()).bind(session.epoch).bind(number).bind(last_line);
    Ok(advanced.execute(connection).await?.rows_affected() == 1)
}

/// Whether an import is at this batch, by this stream.
pub async fn is_at(
    connection: &mut PgConnection,
    session: &Session,
    number: i32,
) -> Result<bool, sqlx::Error> {
    let is_at = sqlx::query_scalar(
        "select exists (select from imports where id = $1 and epoch = $2 and batches = $3)",
    );
    is_at.bind(session.id.uuid()).bind(session.epoch).bind(number).fetch_one(connection).await
}

/// Counts what became of a batch, and keeps why rows were left out.
pub async fn count(
    connection: &mut PgConnection,
    id: ImportId,
    (created, updated): (i32, i32),
    rejected: &[Rejection],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with kept as (
             insert into import_rejections (import_id, line, field, issue)
             select $1, line, field, issue
             from unnest($4::int[], $5::text[], $6::text[]) as rejected (line, field, issue)
         )
         update imports set created = created + $2, updated = updated + $3,
             rejected = rejected + cardinality($4::int[])
         where id = $1",
    )
    .bind(id.uuid())
    .bind(created)
    .bind(updated)
    .bind(rejected.iter().map(|one| one.line).collect::<Vec<_>>())
    .bind(rejected.iter().map(|one| one.field.as_str()).collect::<Vec<_>>())
    .bind(rejected.iter().map(|one| one.issue.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map(drop)
}

/// The rejected rows of an import after a place among them, each with its own.
pub async fn rejections(
    access: &Access,
    id: ImportId,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, Rejection)>, sqlx::Error> {
    let rows: Vec<(i64, i32, String, String)> = sqlx::query_as(
        "select id, line, field, issue from import_rejections
         where import_id = $1 and id > $2 order by id limit $3",
    )
    .bind(id.uuid())
    .bind(after)
    .bind(limit)
    .fetch_all(access)
    .await?;
    let rejection = |(place, line, field, issue)| (place, Rejection { line, field, issue });
    Ok(rows.into_iter().map(rejection).collect())
}

/// Forgets imports of which nothing was heard for a week, some of what was left out of them at a time: how many
/// rows of that.
pub async fn forget_old(access: &Access, limit: i64) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query_scalar::<_, i64>(
        "with old as (
             select id from imports where updated_at < now() - interval '7 days'
         ), rows as (
             delete from import_rejections where id in (
                 select import_rejections.id from import_rejections join old on import_id = old.id
                 limit $1
             )
             returning id
         ), gone as (
             delete from imports using old
             where imports.id = old.id
               and not exists (select from import_rejections where import_id = old.id)
         )
         select count(*) from rows",
    );
    let forgotten = forgotten.bind(limit).fetch_one(access).await?;
    Ok(forgotten.unsigned_abs())
}
