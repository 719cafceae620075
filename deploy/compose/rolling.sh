#!/bin/sh
# Replaces what runs without a failed call: new containers are started beside the old ones, and those end when
# the gateway has the new ones in use. Takes memory for twice as many meanwhile.
#
#   sh deploy/compose/rolling.sh restart ingest    also: processor, api; several in one call
#   sh deploy/compose/rolling.sh upgrade           after `git pull`: builds, migrates, replaces what is ours
set -eu
cd "$(dirname "$0")/../.."
SECONDS_TO_BE_SEEN=60
# Compose would replace Kafka and PostgreSQL because what makes their passwords was replaced. (`--no-deps` does
# not help: a container that was made with it is replaced by the next `up` without it.)
WITHOUT_JOBS="--scale secrets=0 --scale roles=0 --scale migrate=0 --scale topics=0"

# How many servers of a backend the gateway has in use.
in_use() {
  docker compose exec -T gateway wget -q -O - http://127.0.0.1:8404/metrics |
    sed -n "s/^haproxy_backend_active_servers{proxy=\"$1\"} \([0-9]*\).*/\1/p"
}

wait_until_the_gateway_has() {
  left=$SECONDS_TO_BE_SEEN
  while [ "$(in_use "$1")" != "$2" ]; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "the gateway does not use $2 of $1 after $SECONDS_TO_BE_SEEN s: nothing was stopped" >&2; exit 1; }
    sleep 1
  done
}

# All services as they are, but for so many of one of ours; the other options are Compose's.
up() {
  service=$1 wanted=$2
  shift 2
  scales="--scale $service=$wanted"
  for other in ingest processor api; do
    [ "$other" = "$service" ] || scales="$scales --scale $other=$(docker compose ps --quiet "$other" | wc -l)"
  done
  # shellcheck disable=SC2086
  docker compose up --detach --no-build --wait "$@" $WITHOUT_JOBS $scales
}

replace() {
  old=$(docker compose ps --quiet "$1")
  [ -n "$old" ] || { echo "$1 does not run: docker compose up --detach" >&2; exit 1; }
  count=$(echo "$old" | wc -l)
  up "$1" $((2 * count)) --no-recreate
  # The processor answers nobody: no gateway in front of it.
  [ "$1" = processor ] || wait_until_the_gateway_has "$1" $((2 * count))
  for container in $old; do
    docker stop "$container" >/dev/null
    docker rm "$container" >/dev/null
  done
  echo "$1 was replaced"
}

case ${1:-} in
restart)
  shift
  for service in "$@"; do replace "$service"; done
  ;;
upgrade)
  docker compose build
  for job in secrets roles migrate topics; do docker compose run --rm --no-deps "$job"; done
  for service in ingest processor api; do replace "$service"; done
  up api "$(docker compose ps --quiet api | wc -l)"
  ;;
*)
  sed -n 's/^#   //p' "$0" >&2
  exit 2
  ;;
esac
