"""What this floor explains, by subject; importing one registers it."""
