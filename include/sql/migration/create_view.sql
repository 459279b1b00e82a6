-- The old name keeps answering. The comment tells a later plan that this view is ours.
CREATE VIEW {view} AS SELECT {columns} FROM {table};
COMMENT ON VIEW {view} IS {remark};
