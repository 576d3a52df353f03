use souk_db::Access;

/// How many numbers are taken at once: the increment of the sequence.
pub const BLOCK: i64 = 50;

/// The first of a block of numbers that no other order has.
pub async fn next_block(access: &Access) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select nextval('order_numbers')").fetch_one(access).await
}
