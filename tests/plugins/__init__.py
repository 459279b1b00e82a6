"""Tests of what Airflow loads at start."""
