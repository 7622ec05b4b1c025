"""What we speak, held against the official texts."""
