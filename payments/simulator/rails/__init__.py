"""The bank's file desk in the sandbox: takes NACHA, pain.008 and pain.001, gives files of its own.

A program apart, like the rest of the sandbox: it reads and writes the formats by itself, so that what our
adapters write is read by somebody else.
"""
