"""How Redis reaches us: the transport, the consumer and the redaction that make Celery fit for money."""
