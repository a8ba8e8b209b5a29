#!/bin/sh
# Resolves src/vhb_inference_agent/backends/locks/*.lock anew from the .in files beside them: hashes, no index addresses.
# Needs uv on PATH. Further arguments go to uv: `--upgrade` takes the newest versions, otherwise those locked are kept.
# torch is left out, with all that it alone needs: which build of it is right (CUDA, ROCm, CPU) is the host's matter.
set -eu
cd "$(dirname "$0")/src/vhb_inference_agent/backends/locks"
overrides=$(mktemp)
trap 'rm -f "$overrides"' EXIT
echo "torch; sys_platform == 'never'" > "$overrides"
for engine in transformers; do
    uv pip compile "$engine.in" --quiet \
        --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --override "$overrides" --output-file "$engine.lock" "$@"
done
