"""Pure rules as functions and data: no query, no clock, no Django."""
