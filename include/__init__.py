"""All thinking of BQX ML: plain Python, importable and testable without Airflow."""
