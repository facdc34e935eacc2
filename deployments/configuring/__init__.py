"""What `miyabi configure` brings a Prefect server to: one module per kind of thing, each observes, compares, and writes
only what differs, so that a second run says nothing. Whatever a person has set that the files do not speak of stays: a
pool's limit, a paused schedule, an automation that is turned off, keys in a credentials block.
"""
