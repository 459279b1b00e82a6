-- Renames of a batch that no longer hold, in the transaction that takes them back.
UPDATE bqx.migration_journal
SET state = 'reverted', reverted_at = now()
WHERE pair = %(pair)s AND family = %(family)s AND state = 'renamed';
