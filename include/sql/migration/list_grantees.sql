-- Whoever other than the owner has any right on a view or a column of it; PUBLIC has no name.
SELECT coalesce(role.rolname, '') AS role_name
FROM pg_class AS relation
CROSS JOIN
    LATERAL (
        SELECT entry.grantee
        FROM aclexplode(relation.relacl) AS entry
        UNION
        SELECT entry.grantee
        FROM pg_attribute AS attribute
        CROSS JOIN LATERAL aclexplode(attribute.attacl) AS entry
        WHERE attribute.attrelid = relation.oid
    ) AS grantees
LEFT JOIN pg_roles AS role ON grantees.grantee = role.oid
WHERE relation.oid = to_regclass(%(view)s) AND grantees.grantee <> relation.relowner;
