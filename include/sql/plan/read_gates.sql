-- Built partitions of some tables, and what the last gate since then found; NULL where none looked.
SELECT
    build.table_name,
    count(*) AS partitions,
    count(gate.findings) AS checked,
    coalesce(sum(gate.findings), 0) AS findings,
    max(gate.report) AS report
FROM bqx.build_log AS build
LEFT JOIN bqx.gate_log AS gate
    ON
        build.table_name = gate.table_name
        AND build.month = gate.month
        AND build.built_at <= gate.checked_at
WHERE build.table_name = any(%(tables)s)
GROUP BY build.table_name;
