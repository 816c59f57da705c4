# The tool as a container image, with hub models and the report as a PDF.
#
#   docker build -t parentage .
#   docker run --rm -v "$PWD:/case" parentage compare --protected teacher --suspect student --controls lineage.toml
#
# Files are read from and written to /case. Keys of endpoints are handed over by name: -e OPENAI_API_KEY. A server on the
# same machine is reached with --network host.

FROM rust:1.95-bookworm AS build
# aws-lc, which signs and speaks TLS, is C and is built with CMake.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake=3.25.* \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --release --locked --features hub,pdf --bin parentage \
    && strip target/release/parentage

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates=20230311* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 parentage
COPY --from=build /source/target/release/parentage /usr/local/bin/parentage
COPY LICENSE-APACHE LICENSE-MIT /usr/local/share/doc/parentage/
USER 1000
# Hub models are kept in /home/parentage/.cache/huggingface: mount a directory there to fetch each of them once.
WORKDIR /case
ENTRYPOINT ["parentage"]
CMD ["--help"]
