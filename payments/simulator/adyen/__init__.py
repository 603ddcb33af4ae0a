"""The sandbox's Adyen face: the public shape of Adyen's Checkout API over HTTP, with its own storage.

It shares the process, the fault mechanism and the deliverer of callbacks with the other faces, and no code
with the house. README.md tells what it speaks and where it differs.
"""
