-- One month of it.
CREATE TABLE {partition} PARTITION OF {table} FOR VALUES FROM ({first}) TO ({end});
