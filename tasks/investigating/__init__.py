"""What a repository holds, found by parsing it, and whether what an issue says of it is true. Nothing in it is run.

From below: `files` (which are read, and why others are not), `code` (tree-sitter), a reader for each language,
`linking` (routers across files), `gathering` (all facts, kept by content). On top: `checks` (the one list of
questions), `claims` (what an issue says), `judging`, `planning` and `report`.
"""
