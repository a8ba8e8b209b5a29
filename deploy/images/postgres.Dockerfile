# PostgreSQL for hosts without a registry, and for tests: Debian's package, started as compose.yaml starts the public image.
# Another base brings another Debian: data of one version of PostgreSQL is not read by the next one.
ARG BASE_IMAGE=python:3.12-slim
FROM ${BASE_IMAGE}
ARG POSTGRES=15
ENV PATH=/usr/lib/postgresql/${POSTGRES}/bin:$PATH
# No cluster of the package's own; the package's manual pages need their folders even where they are left out.
# libnss-wrapper: initdb asks for the name of the user it runs as, who may be any.
RUN mkdir -p /etc/postgresql-common /usr/share/man/man1 /usr/share/man/man7 \
    && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
        postgresql-${POSTGRES} libnss-wrapper > /dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && mkdir -p /var/lib/postgresql/data /var/run/postgresql \
    && chmod 1777 /var/lib/postgresql/data /var/run/postgresql
COPY deploy/images/postgres.sh /opt/postgres/postgres.sh
USER 10001:10001
# Ends sessions and stops at once; on TERM it would wait until its clients have left.
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["pg_isready", "--host", "127.0.0.1"]
ENTRYPOINT ["sh", "/opt/postgres/postgres.sh"]
CMD ["postgres"]
