-- What decides whether builds can replace the months of some tables: kind of fact, the object, more about it.
-- Read from the catalog alone, so that nobody who holds a table is waited for.
WITH parents AS (
    SELECT
        relation.oid,
        relation.relname::TEXT AS table_name
    FROM pg_class AS relation
    WHERE
        relation.relnamespace = to_regnamespace(%(schema)s)
        AND relation.relkind = 'p'
        AND relation.relname = any(%(tables)s::TEXT[])
),

partitions AS (
    SELECT
        parents.table_name,
        parents.oid AS parent,
        relation.oid,
        relation.relkind,
        relation.reltype,
        relation.relnamespace,
        relation.relname::TEXT AS partition_name,
        coalesce(pg_get_expr(relation.relpartbound, 0), '') AS bound
    FROM parents
    INNER JOIN pg_inherits AS link ON parents.oid = link.inhparent
    INNER JOIN pg_class AS relation ON link.inhrelid = relation.oid
),

tables AS (
    SELECT
        table_name,
        oid
    FROM parents
    UNION ALL
    SELECT
        table_name,
        oid
    FROM partitions
),

users AS (
    SELECT
        partitions.table_name,
        partitions.partition_name,
        link.classid,
        link.objid
    FROM partitions
    INNER JOIN pg_depend AS link
        ON
            (link.refclassid = 'pg_class'::REGCLASS AND partitions.oid = link.refobjid)
            OR (link.refclassid = 'pg_type'::REGCLASS AND partitions.reltype = link.refobjid)
    WHERE link.deptype = 'n' AND link.classid <> 'pg_constraint'::REGCLASS
)

SELECT
    parents.table_name,
    'key' AS fact,
    CASE strategy.partstrat WHEN 'r' THEN 'RANGE' WHEN 'l' THEN 'LIST' ELSE 'HASH' END || ' (' || (
        SELECT string_agg(coalesce(attribute.attname, 'an expression'), ', ' ORDER BY part.place)
        FROM unnest(strategy.partattrs::SMALLINT[]) WITH ORDINALITY AS part (number, place)
        LEFT JOIN pg_attribute AS attribute
            ON strategy.partrelid = attribute.attrelid AND part.number = attribute.attnum
    ) || ')' AS subject,
    coalesce(
        (
            SELECT pg_get_constraintdef(item.oid)
            FROM pg_constraint AS item
            WHERE item.conrelid = parents.oid AND item.contype = 'p'
        ),
        ''
    ) AS detail
FROM parents
INNER JOIN pg_partitioned_table AS strategy ON parents.oid = strategy.partrelid
UNION ALL
SELECT
    parents.table_name,
    'type' AS fact,
    attribute.attname::TEXT AS subject,
    format_type(attribute.atttypid, attribute.atttypmod) AS detail
FROM parents
INNER JOIN pg_attribute AS attribute ON parents.oid = attribute.attrelid
WHERE attribute.attname = 'ts_utc' AND attribute.attnum > 0
UNION ALL
SELECT
    parents.table_name,
    'required' AS fact,
    attribute.attname::TEXT AS subject,
    '' AS detail
FROM parents
INNER JOIN pg_attribute AS attribute ON parents.oid = attribute.attrelid
WHERE
    attribute.attnum > 0
    AND NOT attribute.attisdropped
    AND attribute.attnotnull
    AND NOT attribute.atthasdef
    AND attribute.attname <> 'ts_utc'
    AND NOT starts_with(coalesce(col_description(attribute.attrelid, attribute.attnum), ''), %(mark)s)
UNION ALL
SELECT
    table_name,
    CASE
        WHEN relnamespace <> to_regnamespace(%(schema)s) THEN 'elsewhere'
        WHEN relkind <> 'r' THEN 'not plain'
        ELSE 'partition'
    END AS fact,
    CASE
        WHEN relnamespace <> to_regnamespace(%(schema)s)
            THEN format('%%I.%%I', relnamespace::REGNAMESPACE, partition_name)
        ELSE partition_name
    END AS subject,
    CASE
        WHEN relnamespace <> to_regnamespace(%(schema)s) THEN ''
        WHEN relkind = 'p' THEN 'partitioned itself'
        WHEN relkind <> 'r' THEN 'a foreign table'
        ELSE bound
    END AS detail
FROM partitions
UNION ALL
SELECT
    tables.table_name,
    'foreign key' AS fact,
    format('%%I.%%I', owner.relnamespace::REGNAMESPACE, owner.relname) AS subject,
    quote_ident(item.conname) AS detail
FROM tables
INNER JOIN pg_constraint AS item ON tables.oid = item.confrelid
INNER JOIN pg_class AS owner ON item.conrelid = owner.oid
WHERE item.contype = 'f' AND item.conparentid = 0
UNION ALL
SELECT DISTINCT
    users.table_name,
    'user' AS fact,
    users.partition_name AS subject,
    regexp_replace(object.type || ' ' || object.identity, '^rule "_RETURN" on ', 'view ') AS detail
FROM users
CROSS JOIN LATERAL pg_identify_object(users.classid, users.objid, 0) AS object
ORDER BY table_name, fact, subject, detail;
