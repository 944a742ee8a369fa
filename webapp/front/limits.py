"""The limits of connections and requests, before the site looks at what was sent; training/limits.py has the others."""

from __future__ import annotations

from training.limits import MB, limit

THREADS = limit("SERVER_THREADS", 12, "threads", 6, 1_000)  # some stay free of whoever waits for the database
MOST_CONNECTIONS = limit("MAX_CONNECTIONS", 1_000, "connections", 10, 100_000)
HEADER_BYTES = limit("MAX_HEADER_KB", 32, "kB", 4, 1_000) * 1_000
IDLE_SECONDS = limit("IDLE_SECONDS", 75, "seconds", 1, 86_400)  # between requests, and before the first
HEADER_SECONDS = limit("HEADER_SECONDS", 20, "seconds", 1, 86_400)  # from a request's first byte to its header's end
BODY_GRACE_SECONDS = limit("BODY_GRACE_SECONDS", 20, "seconds", 1, 86_400)  # before the pace of a body counts
SLOWEST_BODY = limit("SLOWEST_BODY", 1_000, "bytes a second", 0, MB)  # in the mean since its header
UNREAD_SECONDS = limit("UNREAD_SECONDS", 60, "seconds", 1, 86_400)  # while nothing of an answer is taken
LINGER_SECONDS = limit("LINGER_SECONDS", 30, "seconds", 0, 86_400)  # for who was refused and goes on sending
ANYWHERE_BYTES = limit("MAX_BODY_MB", 1, "MB", 1, 1_000) * MB  # of a body that is neither a picture nor a zip
