"""The embedded stack of `make run`: PostgreSQL and Airflow on one machine, without Docker.

Nothing imports this room; it is started as ``python -m include.local``.
"""
