-- The new month takes its name and its place. Same transaction as the detach of the old one.
ALTER TABLE {staging} RENAME TO {name};
ALTER INDEX {staging_key} RENAME TO {key};
ALTER TABLE {parent} ATTACH PARTITION {partition} FOR VALUES FROM ({first}) TO ({end});
ALTER TABLE {partition} DROP CONSTRAINT month_bounds;
