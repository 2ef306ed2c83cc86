# One image for every process: worker, beat, Flower, webhook, console, migrations and the simulator differ in their
# command only. Everything that is installed stands in /opt/payment-worker/sbom.cdx.json.
FROM python:3.13-slim AS dependencies
WORKDIR /source
COPY requirements/runtime.txt requirements/
# Hashes, and wheels only: what is installed is what was pinned, and nothing of it runs while it is being installed.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/payment-worker && \
    python -m pip --python /opt/payment-worker/bin/python install --disable-pip-version-check --require-hashes \
      --only-binary :all: -r requirements/runtime.txt

FROM python:3.13-slim AS build
WORKDIR /source
COPY requirements/build.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/build && \
    python -m pip --python /opt/build/bin/python install --disable-pip-version-check --require-hashes \
      --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY payment_worker payment_worker
RUN /opt/build/bin/python -m hatchling build --target wheel --directory dist

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin payment-worker && \
    # What beat and Flower keep. A volume that is mounted here takes its owner from it.
    install --directory --owner 10001 --group 10001 /data
# A layer that changes with the pins only, and a small one with each version.
COPY --from=dependencies /opt/payment-worker /opt/payment-worker
RUN --mount=type=bind,from=build,source=/source/dist,target=/dist \
    --mount=type=bind,source=tools/sbom.py,target=/sbom.py \
    python -m pip --python /opt/payment-worker/bin/python install --disable-pip-version-check --no-cache-dir \
      --no-compile --no-deps --no-index /dist/*.whl && \
    PYTHONDONTWRITEBYTECODE=1 /opt/payment-worker/bin/python /sbom.py >/opt/payment-worker/sbom.cdx.json
WORKDIR /app
USER 10001:10001
ENV PATH=/opt/payment-worker/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PAYMENT_WORKER_LOG_FORMAT=json \
    # In a container only loopback of the container would hear it; who reaches it is decided by what is published.
    PAYMENT_WORKER_METRICS_ADDRESS=0.0.0.0 \
    FLOWER_ADDRESS=0.0.0.0
# docker build --build-arg REVISION=$(git rev-parse HEAD)
ARG REVISION=unknown
LABEL org.opencontainers.image.title="payment-worker" \
      org.opencontainers.image.description="A Celery worker that drives charges and refunds against Stripe: none doubled, lost or stuck." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
CMD ["celery", "-A", "payment_worker", "worker"]
