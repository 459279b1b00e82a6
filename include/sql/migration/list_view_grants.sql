-- Who may read a table besides its owner, and who owns it: a view in its place is read by the same roles.
SELECT
    pg_get_userbyid(relation.relowner) AS owner_name,
    relation.relowner = (SELECT role.oid FROM pg_roles AS role WHERE role.rolname = current_user) AS is_ours,
    array(
        SELECT coalesce(reader.rolname::TEXT, 'PUBLIC')
        FROM aclexplode(relation.relacl) AS entry
        LEFT JOIN pg_roles AS reader ON entry.grantee = reader.oid
        WHERE entry.privilege_type = 'SELECT' AND entry.grantee <> relation.relowner
        ORDER BY 1
    ) AS readers
FROM pg_class AS relation
WHERE relation.oid = %(table)s::OID;
