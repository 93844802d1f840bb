# Two stages: the environment is built from the hash-pinned lock, then carried into a slim image without build tools.
# Built behind a mirror: docker build --build-arg PYTHON_IMAGE=… --build-arg PIP_INDEX_URL=… (kept in no layer of the result).
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /srv/muster
RUN python -m venv /opt/venv
COPY requirements.lock ./
RUN /opt/venv/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md playbooks.yaml ./
COPY app ./app
COPY scenarios ./scenarios
COPY migrations ./migrations
# Editable, so that the plan and the migrations are found beside the package, as in a clone.
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation -e . \
    && /opt/venv/bin/python -m compileall -q /srv/muster/app /srv/muster/migrations

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Muster" \
      org.opencontainers.image.description="The emergency plan of a customer service centre, running as a program" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Reports are drawn as PDF; without a font for Chinese the service says so instead of drawing boxes.
# The version is that of the Debian release of the base image.
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends fonts-wqy-zenhei >/dev/null && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 muster \
    && useradd --uid 10001 --gid muster --no-create-home --home-dir /data --shell /usr/sbin/nologin muster \
    && install -d -o muster -g muster -m 0750 /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/muster /srv/muster
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MUSTER_DATA_DIR=/data
WORKDIR /srv/muster
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
# /healthz is red when no tick of the engine has finished lately; a proxy of the environment is not asked.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["muster"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
