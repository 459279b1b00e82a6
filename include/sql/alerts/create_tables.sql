-- Incidents and their messages. Safe to run again.
CREATE SCHEMA IF NOT EXISTS bqx;

CREATE TABLE IF NOT EXISTS bqx.alerts (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    severity TEXT NOT NULL,
    settled BOOLEAN NOT NULL,
    link TEXT NOT NULL,
    runbook TEXT NOT NULL,
    lines TEXT[] NOT NULL,
    omitted INTEGER NOT NULL,
    pairs TEXT[] NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    firing BOOLEAN NOT NULL,
    bursts INTEGER NOT NULL,
    told TEXT NOT NULL,
    closed_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX IF NOT EXISTS alerts_open_idx ON bqx.alerts (key) WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS alerts_key_idx ON bqx.alerts (key, closed_at);
COMMENT ON TABLE bqx.alerts IS 'Incidents. closed_at: it is over, and a new one of the same key may begin.';

CREATE TABLE IF NOT EXISTS bqx.messages (
    message_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id TEXT NOT NULL REFERENCES bqx.alerts (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    channel TEXT NOT NULL,
    severity TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    html TEXT NOT NULL,
    queued_at TIMESTAMPTZ NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    problem TEXT NOT NULL DEFAULT '',
    sent_at TIMESTAMPTZ,
    UNIQUE (alert_id, stage, channel)
);
CREATE INDEX IF NOT EXISTS messages_waiting_idx ON bqx.messages (channel, attempts, message_id)
WHERE sent_at IS NULL;
COMMENT ON TABLE bqx.messages IS
'What people are told of incidents, by channel. It waits until the channel has taken it: sent_at.';

CREATE TABLE IF NOT EXISTS bqx.alert_round (
    only_one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_one),
    looked_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE bqx.alert_round IS 'Up to when bqx_alert has seen everything; the watchdog reads it too.';
