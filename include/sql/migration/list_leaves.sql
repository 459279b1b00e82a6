-- Tables that hold the rows of a parent (or the table itself), with what must not change.
SELECT
    leaf.oid AS leaf_oid,
    leaf.relname AS leaf_name,
    pg_relation_filenode(leaf.oid) AS file_node,
    coalesce(pg_get_expr(leaf.relpartbound, leaf.oid), '') AS bound,
    array(
        SELECT column_of.attname::TEXT
        FROM pg_attribute AS column_of
        WHERE column_of.attrelid = leaf.oid AND column_of.attnum > 0 AND NOT column_of.attisdropped
        ORDER BY column_of.attnum
    ) AS column_names
FROM pg_class AS leaf
WHERE
    leaf.relkind = 'r'
    AND (
        leaf.oid = %(parent)s::OID
        OR leaf.oid IN (SELECT tree.relid FROM pg_partition_tree(%(parent)s::OID) AS tree)
    )
ORDER BY leaf.relname;
