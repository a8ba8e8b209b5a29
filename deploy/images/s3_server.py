"""Starts `rclone serve s3` with the keys in /run/secrets/s3; they are handed over in the environment, not in arguments.

Variables: S3_DATA (default /data), S3_KEYS (default /run/secrets/s3: <user>.access_key and <user>.secret_key), S3_CERT
and S3_KEY (PEM files: https instead of http).
"""

import csv
import io
import os
import sys
from pathlib import Path

keys_dir = Path(os.environ.get("S3_KEYS", "/run/secrets/s3"))
pairs = []
for access in sorted(keys_dir.glob("*.access_key")):
    secret = access.with_suffix(".secret_key").read_text().strip()
    pairs.append(f"{access.read_text().strip()},{secret}")
if not pairs:
    sys.exit(f"{keys_dir} holds no keys: run `vhb init`, and mount its secrets/s3 there.")
row = io.StringIO()
csv.writer(row, lineterminator="").writerow(pairs)
command = ["/opt/s3/bin/rclone", "serve", "s3", os.environ.get("S3_DATA", "/data"), "--addr", "0.0.0.0:9000"]
command += ["--config", "/dev/null"]
if "S3_CERT" in os.environ:
    command += ["--cert", os.environ["S3_CERT"], "--key", os.environ["S3_KEY"]]
os.execve(command[0], command, {**os.environ, "RCLONE_AUTH_KEY": row.getvalue()})  # noqa: S606 - it takes this place
