"""The AWS endpoint of the embedded cloud: moto, wrapped and never forked.

One module for each service whose gaps are closed, each with an `install(cloud)` that wraps moto's classes through
`cloud.patches`. What is wrapped must exist, so an upgrade of moto that moved something fails at start, with its name.
"""
