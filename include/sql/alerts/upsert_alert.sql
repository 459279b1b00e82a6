-- An incident as it is now; what never changes of it stays.
INSERT INTO bqx.alerts (
    id, key, kind, title, severity, settled, link, runbook, lines, omitted, pairs,
    opened_at, changed_at, seen_at, firing, bursts, told, closed_at
)
VALUES (
    %(id)s, %(key)s, %(kind)s, %(title)s, %(severity)s, %(settled)s, %(link)s, %(runbook)s, %(lines)s,
    %(omitted)s, %(pairs)s, %(opened_at)s, %(changed_at)s, %(seen_at)s, %(firing)s, %(bursts)s, %(told)s,
    %(closed_at)s
)
ON CONFLICT (id) DO UPDATE SET
    title = excluded.title,
    severity = excluded.severity,
    settled = excluded.settled,
    link = excluded.link,
    runbook = excluded.runbook,
    lines = excluded.lines,
    omitted = excluded.omitted,
    pairs = excluded.pairs,
    changed_at = excluded.changed_at,
    seen_at = excluded.seen_at,
    firing = excluded.firing,
    bursts = excluded.bursts,
    told = excluded.told,
    closed_at = excluded.closed_at;
