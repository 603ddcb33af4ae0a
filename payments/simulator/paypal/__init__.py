"""The sandbox's PayPal face: the public shape of PayPal's REST API, with its payer's page and own storage.

It shares the process, the fault mechanism and the deliverer of callbacks with the other faces, and no code
with the house. README.md tells what it speaks and where it differs.
"""
