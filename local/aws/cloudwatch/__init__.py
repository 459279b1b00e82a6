"""The embedded CloudWatch: metrics, alarms that are evaluated, dashboards."""
