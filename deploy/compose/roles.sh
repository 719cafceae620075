#!/usr/bin/env bash
# On the first start of PostgreSQL: the database and its roles, with the passwords that the service
# `secrets` made. The owner migrates and runs the processor, which makes and drops daily partitions;
# what the others may do is granted by `rollcall migrate`.
set -euo pipefail
export SECRETS=${SECRETS:-/secrets/postgres}
psql --username "$POSTGRES_USER" --dbname postgres --no-psqlrc --set ON_ERROR_STOP=1 <<'SQL'
\set owner `cat "$SECRETS"/rollcall`
\set api `cat "$SECRETS"/rollcall_api`
\set grafana `cat "$SECRETS"/rollcall_grafana`
CREATE ROLE rollcall LOGIN PASSWORD :'owner';
CREATE ROLE rollcall_api LOGIN PASSWORD :'api' CONNECTION LIMIT 40;
CREATE ROLE rollcall_grafana LOGIN PASSWORD :'grafana' CONNECTION LIMIT 10;
CREATE DATABASE rollcall OWNER rollcall;
REVOKE ALL ON DATABASE rollcall FROM PUBLIC;
GRANT CONNECT ON DATABASE rollcall TO rollcall_api, rollcall_grafana;
ALTER ROLE rollcall_grafana SET default_transaction_read_only = on;
ALTER ROLE rollcall_grafana SET statement_timeout = '30s';
SQL
