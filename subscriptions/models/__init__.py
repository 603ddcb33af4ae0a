"""The tables of this app, named for Django."""
