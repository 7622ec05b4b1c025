"""Room card."""
