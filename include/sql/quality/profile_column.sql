-- One row of the VALUES list in profile_partition.sql.
(
    {position}, {count}, {low}::FLOAT8, {high}::FLOAT8, {total}::FLOAT8,
    CASE
        WHEN {count} = 0 THEN NULL
        WHEN {count} = row_count THEN first_key
        ELSE (SELECT ts_utc FROM {table} WHERE {column} IS NOT NULL ORDER BY ts_utc LIMIT 1)
    END
)
