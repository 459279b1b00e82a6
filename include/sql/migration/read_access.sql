-- Who may do what with a table or view: its owner, row security, and every right that others have on it.
-- A right on a column has the column's name; PUBLIC has no name.
SELECT
    pg_get_userbyid(relation.relowner)::TEXT AS owner_name,
    relation.relrowsecurity AS has_row_security,
    coalesce('security_invoker=true' = any(relation.reloptions), FALSE) AS is_invoker,
    array(
        SELECT concat_ws(chr(31), coalesce(role.rolname, ''), entry.privilege_type, '', entry.is_grantable)
        FROM aclexplode(relation.relacl) AS entry
        LEFT JOIN pg_roles AS role ON entry.grantee = role.oid
        WHERE entry.grantee <> relation.relowner AND entry.privilege_type = any(%(privileges)s)
        UNION
        SELECT
            concat_ws(
                chr(31),
                coalesce(role.rolname, ''),
                entry.privilege_type,
                attribute.attname,
                entry.is_grantable
            )
        FROM pg_attribute AS attribute
        CROSS JOIN LATERAL aclexplode(attribute.attacl) AS entry
        LEFT JOIN pg_roles AS role ON entry.grantee = role.oid
        WHERE
            attribute.attrelid = relation.oid
            AND attribute.attnum > 0
            AND NOT attribute.attisdropped
            AND entry.grantee <> relation.relowner
            AND entry.privilege_type = any(%(privileges)s)
    ) AS grants,
    array(
        SELECT DISTINCT coalesce(role.rolname, '')
        FROM aclexplode(relation.relacl) AS entry
        LEFT JOIN pg_roles AS role ON entry.grantee = role.oid
        WHERE entry.grantee <> relation.relowner AND entry.privilege_type = 'TRUNCATE'
    ) AS may_truncate
FROM pg_class AS relation
WHERE relation.oid = %(table)s::OID;
