"""The sandbox's Stripe face: the public shape of Stripe's API over HTTP, with its own storage.

It shares the process, the fault mechanism and the deliverer of callbacks with VelocityPay's face, and no
code with the house. README.md tells what it speaks and where it differs.
"""
