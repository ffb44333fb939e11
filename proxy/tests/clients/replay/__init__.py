"""A provider that answers with recordings of real ones."""
