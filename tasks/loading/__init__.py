"""Load tests whose numbers are true: an engine in a process of its own, and what is made of its figures.

`profiles` says what is asked, `engine` asks it (one thread, one loop; `python -m tasks.loading`), `samples` holds a
line per request and reduces them to exact figures, `verdicts` and `comparison` judge those, `plot` and `report` show
them. Steps of flows are in tasks/load_test.py. Nothing here imports Prefect, so that the engine starts in a moment.
"""
