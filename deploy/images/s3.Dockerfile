# An S3 server for hosts without a registry, and for tests: rclone over a folder. Keys are checked; rights of keys are
# not (every key may do everything): use MinIO or a drop-in where that matters.
ARG BASE_IMAGE=python:3.12-slim
FROM ${BASE_IMAGE}
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY deploy/images/s3.lock /tmp/s3.lock
RUN python3 -m venv /opt/s3 && /opt/s3/bin/pip install --quiet --require-hashes -r /tmp/s3.lock \
    && mkdir -p /data && chmod 1777 /data
COPY deploy/images/s3_server.py /opt/s3/s3_server.py
USER 10001:10001
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 9000), 3).close()"]
CMD ["/opt/s3/bin/python", "/opt/s3/s3_server.py"]
