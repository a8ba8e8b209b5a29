#!/bin/sh
# Builds the images of compose.yaml on this host: one for each service, and those that take the place of public images
# where there is no registry; before them the web page (make web), which the API's image carries.
#
#   deploy/images/build.sh [--offline [--postgres]]
#
# --offline   no registry: the base is made from Debian packages first (base.sh), and an S3 server is built too
# --postgres  and PostgreSQL from Debian's package, for deployments of `vhb init --offline --postgres`
# Variables: BASE_IMAGE (default python:3.12-slim; with --offline vhb-base:latest), VHB_IMAGES (default vhb: the start of
# the images' names), VHB_VERSION (default latest: their tag), DOCKER (the engine's command), SERVICES (which to build)
set -eu
cd "$(dirname -- "$0")/../.."

docker=${DOCKER:-docker}
images=${VHB_IMAGES:-vhb}
version=${VHB_VERSION:-latest}
services=${SERVICES:-scheduler inference-agent evaluator reporter api}
offline=0 postgres=0
for word; do
  case $word in
    --offline) offline=1 ;;
    --postgres) postgres=1 ;;
    *) echo "build.sh: $word is none of --offline, --postgres." >&2; exit 2 ;;
  esac
done
if [ "$offline$postgres" = 01 ]; then
  echo "build.sh: --postgres goes with --offline; elsewhere PostgreSQL's public image is used." >&2
  exit 2
fi

if [ "$offline" = 1 ]; then
  base=${BASE_IMAGE:-vhb-base:latest}
  "$docker" image inspect "$base" >/dev/null 2>&1 || sh deploy/images/base.sh "$base"
else
  base=${BASE_IMAGE:-python:3.12-slim}
fi
# The web page, where it is not there or not of this checkout.
case " $services " in *" api "*) make --silent web >&2 ;; esac
# Nothing where this is no checkout.
commit=$(git describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null || true)
for service in $services; do
  echo "building $images-$service:$version" >&2
  "$docker" build --quiet --file deploy/Dockerfile --build-arg "BASE_IMAGE=$base" --build-arg "SERVICE=$service" \
    --build-arg "COMMIT=$commit" --tag "$images-$service:$version" .
done
others=
[ "$offline" = 0 ] || others=s3
[ "$postgres" = 0 ] || others="$others postgres"
for other in $others; do
  echo "building $images-$other:$version" >&2
  "$docker" build --quiet --file "deploy/images/$other.Dockerfile" --build-arg "BASE_IMAGE=$base" \
    --tag "$images-$other:$version" .
done
