"""What happened in the DAG runs, written down where the plan of the project is brought up to date from."""
