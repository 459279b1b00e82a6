"""Models: the jobs that train them, how they are asked for, and how they are judged."""
