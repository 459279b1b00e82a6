"""The project plan: what it has to be, what Airtable holds, and how the one becomes the other."""
