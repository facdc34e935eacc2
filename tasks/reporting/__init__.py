"""A report on an environment: what there is, what it costs, what is open, and what has changed since the last one.

The flow's observers look (`looking`); from what they saw come the components (`components*`), the cost table (`costs`,
by the price book `prices.toml`), the security findings (`security*`), the drift (`drift`) and the diagram (`diagram`).
All of that is pure. `leaving` writes the files and the artifacts.
"""
