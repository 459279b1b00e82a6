-- Identity, kind and comment of whatever has this name, and its partitions on all levels.
SELECT
    relation.oid AS object,
    relation.relkind::TEXT AS kind,
    array(
        SELECT tree.relid::OID
        FROM pg_partition_tree(relation.oid) AS tree
        WHERE tree.relid <> relation.oid
    ) AS partitions,
    coalesce(obj_description(relation.oid, 'pg_class'), '') AS remark
FROM pg_class AS relation
WHERE relation.oid = to_regclass(%(name)s);
