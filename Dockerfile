# One image for every process: worker, beat, Flower, webhook, migrations and the simulator differ in their command only.
FROM python:3.13-slim AS build
WORKDIR /source
COPY requirements/runtime.txt requirements/build.txt requirements/
# Hashes, and wheels only: what is installed is what was pinned, and nothing of it runs while it is being installed.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /opt/payment-worker && \
    /opt/payment-worker/bin/pip install --disable-pip-version-check --require-hashes --only-binary :all: \
      -r requirements/runtime.txt && \
    python -m venv /opt/build && \
    /opt/build/bin/pip install --disable-pip-version-check --require-hashes --only-binary :all: \
      -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY payment_worker payment_worker
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/build/bin/pip wheel --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist . && \
    /opt/payment-worker/bin/pip install --disable-pip-version-check --no-deps --no-index dist/*.whl && \
    /opt/payment-worker/bin/pip uninstall --yes --quiet pip

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin payment-worker && \
    # What beat and Flower keep. A volume that is mounted here takes its owner from it.
    install --directory --owner 10001 --group 10001 /data
COPY --from=build /opt/payment-worker /opt/payment-worker
WORKDIR /app
USER 10001:10001
ENV PATH=/opt/payment-worker/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PAYMENT_WORKER_LOG_FORMAT=json \
    # In a container only loopback of the container would hear it; who reaches it is decided by what is published.
    PAYMENT_WORKER_METRICS_ADDRESS=0.0.0.0 \
    FLOWER_ADDRESS=0.0.0.0
CMD ["celery", "-A", "payment_worker", "worker"]
