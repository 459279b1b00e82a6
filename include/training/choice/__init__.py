"""Which model of a pair is kept, why, and what the networks may cost: gates, rule table, decision records."""
