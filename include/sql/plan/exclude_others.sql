-- CREATE ... IF NOT EXISTS fails when two sessions run it at once: one after the other.
SELECT pg_advisory_xact_lock(hashtextextended('bqx: create the limits of Airtable', 0));
