"""Runbooks: for each trouble that the mission wrote down, which questions are put and what the answers mean.

`runbooks.py` lists them. Most of a runbook are probes and causes of tasks/diagnosing; what those lack is here, in the
same form: probes look and leave facts, causes are pure functions of the facts.
"""
