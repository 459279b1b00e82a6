-- A new baseline replaces an older one of the same batch.
DELETE FROM bqx.migration_baseline
WHERE
    (pair = %(pair)s AND family = %(family)s)
    OR partition_oid = any(%(oids)s::OID[]);
