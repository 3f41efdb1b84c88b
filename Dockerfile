# One image with the server and the example services; compose.yaml runs each in a container of its own. It needs no right, no
# capability and no writable file system; what the server keeps is in volumes.
FROM debian:12-slim AS build
WORKDIR /src
# The packages first: they change less often than the code.
COPY tools/packages tools/install-packages tools/
RUN tools/install-packages build
COPY . .
RUN meson setup /build --prefix=/usr && \
    ninja -C /build cardea examples/resource/grant-resource examples/time-api/time-resource examples/time-api/time-webapp && \
    strip /build/cardea /build/examples/*/grant-resource /build/examples/time-api/time-resource /build/examples/time-api/time-webapp

FROM debian:12-slim
COPY tools/packages tools/install-packages /tmp/tools/
RUN /tmp/tools/install-packages run && rm -rf /tmp/tools /var/lib/apt/lists/* /var/cache/apt/* && \
    useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin cardea && \
    install -d -o cardea -g cardea -m 0700 /var/lib/cardea /var/lib/cardea/grants
COPY --from=build /build/cardea /build/examples/resource/grant-resource /usr/bin/
COPY --from=build /build/examples/time-api/time-resource /build/examples/time-api/time-webapp /usr/libexec/cardea/
COPY packaging/compose/healthcheck packaging/compose/grants-setup /usr/libexec/cardea/
LABEL org.opencontainers.image.title="Cardea" \
      org.opencontainers.image.description="Login portal, authenticating proxy and OAuth 2.0 authorization server" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY LICENSE /usr/share/doc/cardea/
USER cardea
EXPOSE 5001 5002 5003
HEALTHCHECK --interval=10s --timeout=3s --start-period=2s CMD ["/usr/libexec/cardea/healthcheck", "5001"]
ENTRYPOINT ["cardea"]
CMD ["serve", "--config", "/etc/cardea/cardea.yaml"]
