-- One value of a run; a run of the same moment replaces it.
INSERT INTO bqx.monitor_values (as_of, name, pair, horizon, line, value, level, note, run)
VALUES (
    %(as_of)s, %(name)s, %(pair)s, %(horizon)s, %(line)s, %(value)s, %(level)s, %(note)s, %(run)s
)
ON CONFLICT (as_of, name, pair, horizon, line) DO UPDATE
    SET
        value = excluded.value,
        level = excluded.level,
        note = excluded.note,
        run = excluded.run;
