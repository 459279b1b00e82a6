-- What a partition has of its own, as statements that give it to the month that replaces it.
-- Phase 1 is for the month under its first name, 2 for when the old one is gone, 3 for when it is attached.
-- Names of indexes are unique in the schema, so they get their own only in phase 2. What a partition has from
-- its parent comes with ATTACH. Not kept: NOT NULL of a single partition, which new minutes could not fulfil.
WITH present AS (
    SELECT
        relation.oid,
        relation.relowner,
        relation.relacl,
        relation.reloptions,
        relation.relreplident,
        relation.relrowsecurity,
        relation.relforcerowsecurity,
        format('%%I.%%I', relation.relnamespace::REGNAMESPACE, relation.relname) AS present_name,
        staging.relacl AS staging_acl,
        relation.relacl IS NOT NULL OR staging.relacl IS NOT NULL AS has_rights
    FROM pg_class AS relation
    INNER JOIN pg_class AS staging ON staging.oid = to_regclass(%(staging)s::TEXT)
    WHERE relation.oid = to_regclass(%(present)s::TEXT)
),

own_keys AS (
    SELECT
        item.oid,
        item.conname,
        format('%%I', %(short)s::TEXT || '_k' || row_number() OVER (ORDER BY item.conname)) AS first_name
    FROM present
    INNER JOIN pg_constraint AS item ON present.oid = item.conrelid
    WHERE item.contype IN ('u', 'x') AND item.conparentid = 0
),

own_indexes AS (
    SELECT
        named.oid,
        named.relname,
        item.indisclustered,
        format('%%I', %(short)s::TEXT || '_i' || row_number() OVER (ORDER BY named.relname)) AS first_name,
        CASE WHEN item.indisunique THEN 'UNIQUE ' ELSE '' END AS uniqueness,
        substr(
            pg_get_indexdef(named.oid),
            strpos(pg_get_indexdef(named.oid), ' ON ' || present.present_name || ' USING ')
            + length(' ON ' || present.present_name)
        ) AS definition
    FROM present
    INNER JOIN pg_index AS item ON present.oid = item.indrelid
    INNER JOIN pg_class AS named ON item.indexrelid = named.oid
    WHERE
        NOT named.relispartition
        AND item.indisvalid
        AND NOT EXISTS (
            SELECT FROM pg_constraint AS key WHERE key.conindid = named.oid AND key.conrelid = present.oid
        )
),

rights AS (
    SELECT
        entry.grantee,
        entry.is_grantable,
        entry.privilege_type AS what
    FROM present
    CROSS JOIN LATERAL aclexplode(coalesce(present.relacl, acldefault('r', present.relowner))) AS entry
    WHERE present.has_rights
    UNION ALL
    SELECT
        entry.grantee,
        entry.is_grantable,
        format('%%s (%%I)', entry.privilege_type, attribute.attname) AS what
    FROM present
    INNER JOIN pg_attribute AS attribute ON present.oid = attribute.attrelid AND NOT attribute.attisdropped
    CROSS JOIN LATERAL aclexplode(attribute.attacl) AS entry
),

statements AS (
    SELECT
        1 AS phase,
        1 AS place,
        format('ALTER TABLE %%s SET (%%s)', %(staging)s::TEXT, (
            SELECT
                string_agg(
                    format('%%s = %%L', split_part(pair, '=', 1), substr(pair, strpos(pair, '=') + 1)), ', '
                )
            FROM unnest(present.reloptions) AS pair
        )) AS command
    FROM present
    WHERE present.reloptions IS NOT NULL
    UNION ALL
    SELECT
        1 AS phase,
        2 AS place,
        format(
            'ALTER TABLE %%s ADD CONSTRAINT %%I %%s',
            %(staging)s::TEXT,
            item.conname,
            pg_get_constraintdef(item.oid)
        ) AS command
    FROM present
    INNER JOIN pg_constraint AS item ON present.oid = item.conrelid
    WHERE item.contype = 'c' AND item.conislocal AND item.coninhcount = 0
    UNION ALL
    SELECT
        1 AS phase,
        3 AS place,
        format(
            'ALTER TABLE %%s ADD CONSTRAINT %%s %%s', %(staging)s::TEXT, first_name, pg_get_constraintdef(oid)
        ) AS command
    FROM own_keys
    UNION ALL
    SELECT
        1 AS phase,
        4 AS place,
        format('CREATE %%sINDEX %%s ON %%s%%s', uniqueness, first_name, %(staging)s::TEXT, definition)
            AS command
    FROM own_indexes
    UNION ALL
    SELECT
        2 AS phase,
        1 AS place,
        format('ALTER TABLE %%s RENAME CONSTRAINT %%s TO %%I', %(staging)s::TEXT, first_name, conname)
            AS command
    FROM own_keys
    UNION ALL
    SELECT
        2 AS phase,
        2 AS place,
        format('ALTER INDEX %%I.%%s RENAME TO %%I', %(schema)s::TEXT, first_name, relname) AS command
    FROM own_indexes
    UNION ALL
    SELECT
        3 AS phase,
        1 AS place,
        format('ALTER TABLE %%s OWNER TO %%I', %(final)s::TEXT, pg_get_userbyid(relowner)) AS command
    FROM present
    WHERE pg_get_userbyid(relowner) <> current_user
    UNION ALL
    SELECT
        3 AS phase,
        2 AS place,
        format('REVOKE ALL ON %%s FROM %%s', %(final)s::TEXT, CASE others.grantee
            WHEN 0 THEN 'PUBLIC'
            ELSE quote_ident(pg_get_userbyid(others.grantee))
        END) AS command
    FROM present
    CROSS JOIN
        LATERAL (
            SELECT entry.grantee FROM aclexplode(present.staging_acl) AS entry
            UNION
            SELECT present.relowner AS grantee
        ) AS others
    WHERE present.has_rights
    UNION ALL
    SELECT
        3 AS phase,
        3 AS place,
        format(
            'GRANT %%s ON %%s TO %%s%%s',
            what,
            %(final)s::TEXT,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
            CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
        ) AS command
    FROM rights
    UNION ALL
    SELECT
        3 AS phase,
        4 AS place,
        format('COMMENT ON TABLE %%s IS %%L', %(final)s::TEXT, obj_description(oid, 'pg_class')) AS command
    FROM present
    WHERE obj_description(oid, 'pg_class') IS NOT NULL
    UNION ALL
    SELECT
        3 AS phase,
        5 AS place,
        format('COMMENT ON COLUMN %%s.%%I IS %%L', %(final)s::TEXT, attribute.attname, about.description)
            AS command
    FROM present
    INNER JOIN pg_attribute AS attribute ON present.oid = attribute.attrelid AND NOT attribute.attisdropped
    INNER JOIN pg_description AS about
        ON
            present.oid = about.objoid
            AND about.classoid = 'pg_class'::REGCLASS
            AND attribute.attnum = about.objsubid
            AND about.objsubid > 0
    UNION ALL
    SELECT
        3 AS phase,
        6 AS place,
        format('COMMENT ON INDEX %%I.%%I IS %%L', %(schema)s::TEXT, relname, obj_description(oid, 'pg_class'))
            AS command
    FROM own_indexes
    WHERE obj_description(oid, 'pg_class') IS NOT NULL
    UNION ALL
    SELECT
        3 AS phase,
        7 AS place,
        format('ALTER TABLE %%s CLUSTER ON %%I', %(final)s::TEXT, relname) AS command
    FROM own_indexes
    WHERE indisclustered
    UNION ALL
    SELECT
        3 AS phase,
        8 AS place,
        format(
            'ALTER TABLE %%s ADD CONSTRAINT %%I %%s',
            %(final)s::TEXT,
            item.conname,
            pg_get_constraintdef(item.oid)
        ) AS command
    FROM present
    INNER JOIN pg_constraint AS item ON present.oid = item.conrelid
    WHERE item.contype = 'f' AND item.conparentid = 0
    UNION ALL
    SELECT
        3 AS phase,
        9 AS place,
        replace(
            pg_get_triggerdef(item.oid),
            ' ON ' || present.present_name || ' ',
            format(' ON %%s ', %(final)s::TEXT)
        ) AS command
    FROM present
    INNER JOIN pg_trigger AS item ON present.oid = item.tgrelid
    WHERE NOT item.tgisinternal AND item.tgparentid = 0
    UNION ALL
    SELECT
        3 AS phase,
        10 AS place,
        format('ALTER TABLE %%s %%s TRIGGER %%I', %(final)s::TEXT, CASE item.tgenabled
            WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS'
        END, item.tgname) AS command
    FROM present
    INNER JOIN pg_trigger AS item ON present.oid = item.tgrelid
    WHERE NOT item.tgisinternal AND item.tgparentid = 0 AND item.tgenabled <> 'O'
    UNION ALL
    SELECT
        3 AS phase,
        11 AS place,
        format(
            'CREATE POLICY %%I ON %%s AS %%s FOR %%s TO %%s%%s%%s',
            item.polname,
            %(final)s::TEXT,
            CASE WHEN item.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
            CASE item.polcmd
                WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN
                    'd'
                    THEN 'DELETE'
                ELSE 'ALL'
            END,
            (
                SELECT
                    string_agg(CASE one WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(one)) END, ', ')
                FROM unnest(item.polroles) AS one
            ),
            coalesce(' USING (' || pg_get_expr(item.polqual, item.polrelid) || ')', ''),
            coalesce(' WITH CHECK (' || pg_get_expr(item.polwithcheck, item.polrelid) || ')', '')
        ) AS command
    FROM present
    INNER JOIN pg_policy AS item ON present.oid = item.polrelid
    UNION ALL
    SELECT
        3 AS phase,
        12 AS place,
        format('ALTER TABLE %%s ENABLE ROW LEVEL SECURITY', %(final)s::TEXT) AS command
    FROM present
    WHERE relrowsecurity
    UNION ALL
    SELECT
        3 AS phase,
        13 AS place,
        format('ALTER TABLE %%s FORCE ROW LEVEL SECURITY', %(final)s::TEXT) AS command
    FROM present
    WHERE relforcerowsecurity
    UNION ALL
    SELECT
        3 AS phase,
        14 AS place,
        format(
            'ALTER TABLE %%s REPLICA IDENTITY %%s',
            %(final)s::TEXT,
            CASE relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END
        ) AS command
    FROM present
    WHERE relreplident IN ('f', 'n')
    UNION ALL
    SELECT
        3 AS phase,
        15 AS place,
        format('ALTER PUBLICATION %%I ADD TABLE %%s', publication.pubname, %(final)s::TEXT) AS command
    FROM present
    INNER JOIN pg_publication_rel AS item ON present.oid = item.prrelid
    INNER JOIN pg_publication AS publication ON item.prpubid = publication.oid
)

SELECT
    phase,
    command
FROM statements
ORDER BY phase, place, command;
