-- What the quality gate found in some partitions; the newest check of a partition counts.
INSERT INTO bqx.gate_log (table_name, month, findings, report, run_label, checked_at)
SELECT
    seen.table_name,
    seen.month,
    seen.findings,
    %(report)s,
    %(run_label)s,
    %(checked_at)s
FROM
    unnest(%(tables)s::TEXT[], %(months)s::DATE[], %(findings)s::INTEGER[])
        AS seen (table_name, month, findings)
ON CONFLICT (table_name, month) DO UPDATE
    SET
        findings = excluded.findings,
        report = excluded.report,
        run_label = excluded.run_label,
        checked_at = excluded.checked_at;
