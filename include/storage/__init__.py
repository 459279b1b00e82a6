"""The only room that talks to PostgreSQL: DDL from the catalogue, bulk read, atomic partition swap."""
