"""Payment methods: added, verified, kept, revealed, removed."""
