# The exporter for Debian's own Python and bcc. Built by `make image`.
FROM debian:trixie-slim AS build
# Without versions of packages, so that a build gets Debian's security updates.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -qy --no-install-recommends python3-hatchling python3-pip
ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1 PIP_NO_DEPS=1 PIP_ROOT=/out \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock ./
RUN pip install --only-binary=:all: --require-hashes -r requirements.lock
COPY LICENSE README.md hatch_build.py pyproject.toml ./
COPY bpf bpf
COPY exporter exporter
ARG REVISION=unknown
RUN BUILD_REVISION="${REVISION}" pip install --no-build-isolation .

FROM debian:trixie-slim
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -qy --no-install-recommends python3-bpfcc && \
    rm -rf /var/cache/* /var/lib/apt/lists/* /var/log/* && \
    useradd --system --uid 10301 --no-create-home --shell /usr/sbin/nologin fanotify-exporter
COPY --from=build /out /

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fanotify-exporter" \
      org.opencontainers.image.description="Prometheus exporter for fanotify and inotify: counts calls in the kernel with BPF, and shows what exists now" \
      org.opencontainers.image.source="https://github.com/fanotify-exporter/fanotify-exporter" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-only" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The exporter starts as root to attach the programs, and then serves as this user.
ENV FANOTIFY_EXPORTER_RUN_USER=fanotify-exporter
EXPOSE 10301
# For Docker. Kubernetes ignores this line and has probes of its own.
HEALTHCHECK --interval=60s --timeout=10s --start-period=60s \
    CMD ["fanotify-exporter", "healthcheck"]
ENTRYPOINT ["fanotify-exporter"]
