-- Whether each of these tables or views is there.
SELECT bool_and(to_regclass(format('%%I.%%I', %(schema)s::TEXT, asked.table_name)) IS NOT NULL)
FROM unnest(%(tables)s::TEXT[]) AS asked (table_name);
