-- What the quality gate found in some partitions; the newest check of a partition counts.
INSERT INTO bqx.gate_log (table_name, month, findings, report, run_label, checked_at, seen)
SELECT
    checked.table_name,
    checked.month,
    checked.findings,
    %(report)s,
    %(run_label)s,
    %(checked_at)s,
    checked.seen
FROM
    unnest(%(tables)s::TEXT[], %(months)s::DATE[], %(findings)s::INTEGER[], %(seen)s::TEXT[])
        AS checked (table_name, month, findings, seen)
ON CONFLICT (table_name, month) DO UPDATE
    SET
        findings = excluded.findings,
        report = excluded.report,
        run_label = excluded.run_label,
        checked_at = excluded.checked_at,
        seen = excluded.seen;
