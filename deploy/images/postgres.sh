#!/bin/sh
# Starts PostgreSQL as whatever user the container has; where there is no database yet, it is made first.
#
# Variables, those of the public image: PGDATA (a folder in the volume, not the volume itself), POSTGRES_USER, POSTGRES_DB,
# POSTGRES_PASSWORD_FILE, POSTGRES_INITDB_ARGS (more arguments of initdb). Arguments: what to run (default: postgres).
set -eu

make_database() (
  user=${POSTGRES_USER:?} database=${POSTGRES_DB:?} password=${POSTGRES_PASSWORD_FILE:?}
  new=$PGDATA.new
  rm -rf "$new"
  # initdb wants a name for its user.
  passwd=$(mktemp) group=$(mktemp)
  trap 'rm -f "$passwd" "$group"' EXIT
  echo "$user:x:$(id -u):$(id -g)::/:/bin/false" > "$passwd"
  echo "$user:x:$(id -g):" > "$group"
  export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD="$passwd" NSS_WRAPPER_GROUP="$group"
  # shellcheck disable=SC2086 - several arguments
  initdb --pgdata "$new" --username "$user" --pwfile "$password" --auth-local trust --auth-host scram-sha-256 \
    ${POSTGRES_INITDB_ARGS:-} > /dev/null
  echo "host all all all scram-sha-256" >> "$new/pg_hba.conf"
  echo "listen_addresses = '*'" >> "$new/postgresql.conf"
  # In this mode an error does not end it with a status: the second one fails where the first one made nothing.
  echo "CREATE DATABASE \"$database\";" | postgres --single -D "$new" postgres > /dev/null
  postgres --single -D "$new" "$database" < /dev/null > /dev/null
  # It gets its name when it is whole and on the disk: what a kill leaves before is made anew.
  sync -f "$new"
  mv --no-target-directory "$new" "$PGDATA"
  sync "$(dirname "$PGDATA")"
)

if [ ! -s "${PGDATA:?}/PG_VERSION" ]; then
  echo "making a database in $PGDATA" >&2
  make_database
fi
exec "$@"
