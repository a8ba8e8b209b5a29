#!/bin/sh
# Resolves src/vhb_api_wrapper/locks/*.lock anew from pyproject.toml: hashes, no index addresses. Needs uv on PATH.
# Further arguments go to uv: `--upgrade` takes the newest versions, otherwise those in the lock files are kept.
set -eu
cd "$(dirname "$0")"
for adapter in echo rapidocr tesseract; do
    uv pip compile pyproject.toml --extra "$adapter" --quiet \
        --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --override overrides.txt --output-file "src/vhb_api_wrapper/locks/$adapter.lock" "$@"
done
