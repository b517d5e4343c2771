# The same steps as scripts/make-dist and scripts/check-dist, which are tried without a container engine.
#   docker build -t pinsage . && docker run --rm -p 8080:8080 -v "$PWD:/data" pinsage serve --host 0.0.0.0 --api-key-file /data/keys ...
FROM swift:6.2-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libopenblas-dev libomp-dev zlib1g-dev libsqlite3-dev pkg-config
COPY . /source
WORKDIR /source
RUN scripts/make-dist && mkdir /archive && tar -C /archive --strip-components 1 -xzf .build-dist/pinsage-*.tar.gz

FROM debian:bookworm-slim
COPY --from=build /archive /opt/pinsage
RUN /opt/pinsage/install-dependencies && rm -rf /var/lib/apt/lists/* && useradd --create-home pinsage
USER pinsage
WORKDIR /data
ENTRYPOINT ["/opt/pinsage/bin/pinsage-cli"]
