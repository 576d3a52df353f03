use sqlx::PgConnection;

/// Has each statement of this transaction planned for its own values, and not once for all.
pub async fn plan_each_time(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let custom = sqlx::query("set local plan_cache_mode = force_custom_plan");
    custom.execute(connection).await.map(drop)
}
