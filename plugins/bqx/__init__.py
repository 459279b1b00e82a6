"""What Airflow loads at start: light modules, none of which imports ``include`` at module level."""
