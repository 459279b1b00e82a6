-- What a partition holds before the migration.
INSERT INTO bqx.migration_baseline (
    family, pair, parent_oid, partition_oid, partition_name, relfilenode, bound,
    rows, first_ts, last_ts, fingerprint, columns
)
VALUES (
    %(family)s, %(pair)s, %(parent)s, %(oid)s, %(name)s, %(file_node)s, %(bound)s,
    %(rows)s, %(first)s, %(last)s, %(fingerprint)s, %(columns)s
);
