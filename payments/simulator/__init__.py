"""The VelocityPay sandbox network: a pretend provider, bank included, in a process of its own.

It shares no code and no database with the house, so that its truth can be held against ours.
Run it with `python -m payments.simulator`; README.md tells its protocol, scenarios and faults.
"""
