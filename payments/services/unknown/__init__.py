"""Money that is unknown or that nobody here asked for, and what people decide about it."""
