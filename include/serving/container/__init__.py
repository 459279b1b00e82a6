"""What runs in the endpoint's container; nothing else of ours but the container code of training is there."""
