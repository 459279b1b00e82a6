-- A base that nobody asked yet: every permit is free.
INSERT INTO bqx.airtable_limits (name, free_at, open_at, width, refused_at)
VALUES (%(name)s, array_fill(0::DOUBLE PRECISION, ARRAY[%(permits)s]), 0, %(permits)s, 0)
ON CONFLICT (name) DO NOTHING;
