"""The truth about what models foresee: scores beside the no-skill forecast, verdicts, and the leaderboard."""
