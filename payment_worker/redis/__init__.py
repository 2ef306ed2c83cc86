"""Our use of Redis beside Celery's: the client, the stream of messages, heartbeats."""
