"""The database engine of the settings: Django's own, with a cheaper look at kept connections."""
