"""The books over REST: one file per controller (the ledger itself knows no HTTP)."""
