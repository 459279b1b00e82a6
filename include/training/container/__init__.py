"""What runs in the training job, from its archive alone: nothing else of this project is imported."""
