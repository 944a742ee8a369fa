"""A whole installation as a folder, taken while the site runs, and put back on a machine of any kind.

The rows are JSON lines and the files have their names in the store: a backup fits SQLite and PostgreSQL, a local store
and S3 alike.
"""
