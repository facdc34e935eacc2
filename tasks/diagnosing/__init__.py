"""Diagnose: why does a system not answer as it should?

Probes (`probes.py` lists them, in the order of reference/aws.md §8) look, and leave facts. Causes (`causes.py` lists
them, in the order of a request's way) judge the facts: pure functions, so what is said can be tested as a table. A
probe that cannot look leaves no fact, and the causes that need it say so; nothing is certain without its own evidence.
"""
