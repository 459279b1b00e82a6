-- Note what a partition was built from, in the transaction that swapped it in.
INSERT INTO bqx.build_log (table_name, month, row_count, input_hash, seconds, content_hash)
VALUES (%(table_name)s, %(month)s, %(row_count)s, %(input_hash)s, %(seconds)s, %(content_hash)s)
ON CONFLICT (table_name, month) DO UPDATE
    SET
        row_count = excluded.row_count,
        input_hash = excluded.input_hash,
        seconds = excluded.seconds,
        content_hash = excluded.content_hash,
        built_at = excluded.built_at;
