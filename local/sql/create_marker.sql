-- Says that the legacy tables of this database are simulated, and of which pairs they are complete.
CREATE SCHEMA IF NOT EXISTS bqx;

CREATE TABLE IF NOT EXISTS bqx.legacy_fixture (
    pair TEXT PRIMARY KEY,
    row_count BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE bqx.legacy_fixture IS
'The legacy tables of these pairs were made by local.legacy. Made once: also after their renaming.';
