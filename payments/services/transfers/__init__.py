"""Money that payers send by themselves, and its way back."""
