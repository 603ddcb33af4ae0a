"""Calls to providers: claimed, made, concluded; failed over, limited, recovered."""
