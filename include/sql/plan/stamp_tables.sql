-- What changes when rows of a table do: files and write counters of its partitions, start of the server.
SELECT
    parent.relname AS table_name,
    md5(
        pg_postmaster_start_time()::TEXT
        || string_agg(
            concat_ws(
                ' ',
                leaf.oid,
                leaf.relfilenode,
                pg_stat_get_tuples_inserted(leaf.oid),
                pg_stat_get_tuples_updated(leaf.oid),
                pg_stat_get_tuples_deleted(leaf.oid)
            ), ',' ORDER BY leaf.oid
        )
    ) AS stamp
FROM pg_class AS parent
LEFT JOIN pg_inherits AS link ON parent.oid = link.inhparent
INNER JOIN pg_class AS leaf ON coalesce(link.inhrelid, parent.oid) = leaf.oid
WHERE
    parent.relnamespace = to_regnamespace('bqx')
    AND parent.relkind IN ('r', 'p')
    AND parent.relname = any(%(tables)s)
GROUP BY parent.relname;
