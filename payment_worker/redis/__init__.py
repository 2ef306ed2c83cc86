"""Our own use of Redis beside Celery's: client, message stream, heartbeats."""
