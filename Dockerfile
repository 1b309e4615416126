# syntax=docker/dockerfile:1
# One image for every role; the command names it: innsyn migrate | tag | rights | serve.

# "@sha256:..." pins the content of the base image too.
ARG PYTHON_DIGEST=""

FROM python:3.11.14-slim-bookworm${PYTHON_DIGEST} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements/build.txt requirements/run.txt requirements/
RUN python -m venv /opt/innsyn \
 && /opt/innsyn/bin/pip install --require-hashes -r requirements/run.txt \
 && pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY sinks sinks
COPY streams streams
COPY console console
COPY sdk sdk
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir dist . ./sdk \
 && /opt/innsyn/bin/pip install --no-index --no-deps dist/*.whl

FROM python:3.11.14-slim-bookworm${PYTHON_DIGEST}
# The folders exist and belong to the user, so that a named volume mounted there does as well.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin innsyn \
 && install -d -o innsyn -m 0700 /var/lib/innsyn /var/lib/innsyn/keys
COPY --from=build /opt/innsyn /opt/innsyn
ENV PATH=/opt/innsyn/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 INNSYN_HOME=/var/lib/innsyn
WORKDIR /var/lib/innsyn
USER innsyn
EXPOSE 8480 8481
ENTRYPOINT ["innsyn"]
CMD ["--help"]
