-- First and last bar of a pair; NULLs if the table is empty.
SELECT
    min({key}) AS first_bar,
    max({key}) AS last_bar
FROM {table};
