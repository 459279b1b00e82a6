-- What a migration remembers: every rename, and what the tables held before it. Safe to run again.
-- Asked for only where it is not there: otherwise a role would need the right to create schemas all the same.
DO $$ BEGIN
    IF to_regnamespace('bqx') IS NULL THEN CREATE SCHEMA IF NOT EXISTS bqx; END IF;
END $$;

CREATE TABLE IF NOT EXISTS bqx.migration_journal (
    journal_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_hash TEXT NOT NULL,
    family TEXT NOT NULL,
    pair TEXT NOT NULL,
    kind TEXT NOT NULL,
    oid OID NOT NULL,
    old_name TEXT NOT NULL,
    new_name TEXT NOT NULL,
    on_table TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'renamed' CHECK (state IN ('renamed', 'reverted')),
    at TIMESTAMPTZ NOT NULL DEFAULT now(),
    reverted_at TIMESTAMPTZ
);
CREATE INDEX IF NOT EXISTS migration_journal_pair_idx ON bqx.migration_journal (pair, family);
COMMENT ON TABLE bqx.migration_journal IS
'One row per renamed object, written in the transaction that renamed it. Reverting sets the state.';

CREATE TABLE IF NOT EXISTS bqx.migration_baseline (
    family TEXT NOT NULL,
    pair TEXT NOT NULL,
    parent_oid OID NOT NULL,
    partition_oid OID NOT NULL PRIMARY KEY,
    partition_name TEXT NOT NULL,
    relfilenode OID NOT NULL,
    bound TEXT NOT NULL,
    rows BIGINT NOT NULL,
    first_ts TIMESTAMPTZ,
    last_ts TIMESTAMPTZ,
    fingerprint NUMERIC NOT NULL,
    columns TEXT[] NOT NULL,
    taken_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    verified_at TIMESTAMPTZ
);
CREATE INDEX IF NOT EXISTS migration_baseline_pair_idx ON bqx.migration_baseline (pair, family);
COMMENT ON TABLE bqx.migration_baseline IS
'What each partition held before the migration: exact count, key range, order-free sum of row hashes.';

CREATE TABLE IF NOT EXISTS bqx.migration_documents (
    document_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pairs TEXT[] NOT NULL,
    run_label TEXT NOT NULL,
    files JSONB NOT NULL,
    published_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE bqx.migration_documents IS
'What was written after a migration: manifest, counts, description of tables; for which pairs, and where.';

CREATE TABLE IF NOT EXISTS bqx.migration_plan (
    plan_hash TEXT PRIMARY KEY,
    content JSONB NOT NULL,
    made_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE bqx.migration_plan IS
'Plans that passed their preflight: what was approved is exactly what is carried out.';
