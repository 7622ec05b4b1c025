"""The agent of a charging station."""
