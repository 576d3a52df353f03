use sqlx::PgConnection;

/// Has each statement of this transaction planned for its own values, and not once for all.
pub async fn plan_each_time(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let custom = sqlx::query("set local plan_cache_mode = force_custom_plan");
    custom.execute(connection).await.map(drop)
}

/// The same, and has rows of one table find those of another by their keys, one by one: a list wants a page of
/// them, and to put all of a table into a hash to find these is what an estimate that is wrong leads to. A row that
/// is found by its key costs little more than the next one: most are in memory, and near each other.
pub async fn plan_pages(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let settings = sqlx::query(
        "select set_config('plan_cache_mode', 'force_custom_plan', true),
             set_config('enable_hashjoin', 'off', true),
             set_config('random_page_cost', '1.1', true)",
    );
    settings.execute(connection).await.map(drop)
}
