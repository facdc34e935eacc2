"""Backups of an environment's database: taken, kept, put back into a new instance, and proven to be restorable.

What was backed up is told by manifests in the bucket of backups and by nothing else: when the database is lost, so is
whatever it could have told. A backup without a manifest is none, and a manifest is written last.
"""
