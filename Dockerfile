# One image with the server and the example services; compose.yaml runs each in a container of its own.
FROM debian:12-slim AS build
WORKDIR /src
# The packages first: they change less often than the code.
COPY tools/packages tools/install-packages tools/
RUN tools/install-packages build
COPY . .
RUN meson setup /build --prefix=/usr && ninja -C /build

FROM debian:12-slim
COPY tools/packages tools/install-packages /tmp/tools/
RUN /tmp/tools/install-packages run && rm -rf /tmp/tools /var/lib/apt/lists/* && \
    useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin cardea
COPY --from=build /build/cardea /build/examples/resource/grant-resource /usr/bin/
COPY --from=build /build/examples/time-api/time-resource /build/examples/time-api/time-webapp /usr/libexec/cardea/
COPY packaging/compose/healthcheck /usr/libexec/cardea/
USER cardea
EXPOSE 5001 5002 5003
HEALTHCHECK --interval=10s --timeout=3s --start-period=2s CMD ["/usr/libexec/cardea/healthcheck", "5001"]
ENTRYPOINT ["cardea"]
CMD ["serve", "--config", "/etc/cardea/cardea.yaml"]
