#!/bin/sh
# Makes a small Debian image with Python (no registry needed): the BASE_IMAGE of our Dockerfiles, and a base for backends
# on hosts that can reach a Debian mirror but no registry.
#
#   deploy/images/base.sh IMAGE [TAR]
#
# IMAGE  name and tag it gets in the local engine, e.g. vhb-base:bookworm
# TAR    root file system to import; made when it does not exist, kept for other machines (copy it there, run this again)
#
# Variables: DEBIAN_MIRROR (default: the one this machine's apt uses), DEBIAN_SUITE (default: bookworm), DEBIAN_PACKAGES
# (more of them, separated by commas), DOCKER (the engine's command). Needs mmdebstrap, and docker to import.
# The certificate authorities that this machine trusts (/usr/local/share/ca-certificates) are trusted in the image too.
set -eu

image=${1:?usage: base.sh IMAGE [TAR]}
suite=${DEBIAN_SUITE:-bookworm}
tar=${2:-}
kept=1
if [ -z "$tar" ]; then
  kept=0
  tar=$(mktemp --suffix=.tar)
  rm "$tar"
fi

if [ ! -s "$tar" ]; then
  mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Component: main' \
    "Codename: $suite" 2>/dev/null | head -n 1)}
  [ -n "$mirror" ] || { echo "base.sh: apt here knows no mirror of $suite; set DEBIAN_MIRROR to one." >&2; exit 2; }
  authorities=$(mktemp -d)
  trap 'rm -rf "$authorities" "$tar.part"' EXIT
  cp /usr/local/share/ca-certificates/*.crt "$authorities/" 2>/dev/null || true
  packages=ca-certificates,python3,python3-venv${DEBIAN_PACKAGES:+,$DEBIAN_PACKAGES}
  mmdebstrap --quiet --variant=minbase --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook="copy-in $authorities/. /usr/local/share/ca-certificates" \
    --customize-hook='chroot "$1" update-ca-certificates' \
    --format=tar "$suite" "$tar.part" "$mirror" >&2
  mv "$tar.part" "$tar"
fi

"${DOCKER:-docker}" import \
  --change 'ENV LANG=C.UTF-8 SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt UV_SYSTEM_CERTS=1' \
  --change 'CMD ["python3"]' \
  "$tar" "$image"
[ "$kept" = 1 ] || rm -f "$tar"
