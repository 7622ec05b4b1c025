"""Databases as every released schema left them, and proof that this release goes on with them."""
