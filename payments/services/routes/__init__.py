"""Who carries a payment, and what that provider calls the customer's method."""
