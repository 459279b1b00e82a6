"""The embedded stack of `make run`: PostgreSQL, Airflow and stand-ins of S3 and Airtable, without Docker.

Nothing imports this room; it is started as ``python -m local``.
"""
