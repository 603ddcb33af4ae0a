"""Months of the books and of the log that left: their files, their streams, and what stays of them."""
