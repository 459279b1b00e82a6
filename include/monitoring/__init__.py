"""Watching what is served: scores of what came, drift, freshness, alarms, dashboards, the scoreboard."""
