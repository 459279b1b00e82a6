"""The project plan: what it has to be, what AirTable holds, and how the one becomes the other."""
