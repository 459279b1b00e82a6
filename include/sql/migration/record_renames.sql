-- One row per renamed object, in the transaction that renames.
INSERT INTO bqx.migration_journal (plan_hash, family, pair, kind, oid, old_name, new_name, on_table)
SELECT
    %(plan_hash)s,
    %(family)s,
    %(pair)s,
    renamed.kind,
    renamed.oid,
    renamed.old_name,
    renamed.new_name,
    renamed.on_table
FROM unnest(
    %(kinds)s::TEXT[],
    %(oids)s::OID[],
    %(old_names)s::TEXT[],
    %(new_names)s::TEXT[],
    %(on_tables)s::TEXT[]
) AS renamed (kind, oid, old_name, new_name, on_table);
