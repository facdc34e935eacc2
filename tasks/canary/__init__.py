"""Watching a new version while its share of the traffic grows (bake.py), and saying when it must go back (verdict.py).

Who is asked what, and why it is this little:

- **probes**: both versions are invoked directly, in equal numbers, with the same requests at the same time. That is the
  one count in which an answer of HTTP 500 and a slow one belong to a version for certain: Lambda's metrics take a
  backend's own 500 for a success, and the gateway does not know which version answered.
- **Lambda's metrics by executed version**: crashes, timeouts and latency of the requests that people send, which are
  more various than any probe. They come a minute or two late.
- **the gateway's 5xx**, and a few requests of our own through the public URL where people send too few: what a version
  does to requests that are not probed. The rate from before the canary is taken off, and what is left is the new
  version's, since nothing else has changed; of an old version that fails now, nothing is known from them.
- **the database's connections**, counted by the database.
"""
