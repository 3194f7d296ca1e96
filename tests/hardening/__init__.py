"""Harnesses that break things by the thousand: processes, files, disks, surroundings.

Each counts how often something was tried and how often all held. Every trial follows from its number alone, so the long
form (``make harden``) goes on where it was stopped, and one that fell is tried again by its number. The first trials of
every harness are the short form, which is part of ``make test``.
"""
