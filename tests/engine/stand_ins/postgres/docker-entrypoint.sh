#!/usr/bin/env bash
# What our files rely on of the image's own: the first start makes the cluster from POSTGRES_…; root becomes
# the user postgres.
set -euo pipefail
if [[ $(id -u) == 0 ]]; then
  exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
if [[ ! -s $PGDATA/PG_VERSION ]]; then
  password=${POSTGRES_PASSWORD:-$(cat "$POSTGRES_PASSWORD_FILE")}
  # shellcheck disable=SC2086
  initdb --username "$POSTGRES_USER" --pwfile <(echo "$password") --encoding UTF8 --pgdata "$PGDATA" \
    ${POSTGRES_INITDB_ARGS:-} >/dev/null
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
  if [[ -n ${POSTGRES_DB:-} && $POSTGRES_DB != "$POSTGRES_USER" ]]; then
    echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -D "$PGDATA" postgres >/dev/null
  elif [[ $POSTGRES_USER != postgres ]]; then
    echo "CREATE DATABASE \"$POSTGRES_USER\"" | postgres --single -D "$PGDATA" postgres >/dev/null
  fi
else
  echo "PostgreSQL Database directory appears to contain a database; Skipping initialization"
fi
exec "$@"
