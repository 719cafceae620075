#!/usr/bin/env bash
# Formats the storage on the first start, then becomes the broker: nothing is written beside the data
# volume and /tmp. Of what it writes, passwords in /tmp and segments, others may read nothing.
set -euo pipefail
umask 077
properties=/tmp/kafka.properties
cat /etc/rollcall/kafka.properties /secrets/kafka/users.properties >"$properties"
# Of a storage that an earlier release made.
find /var/lib/kafka/data -user "$(id -u)" -exec chmod go= {} +
if [[ ! -e /var/lib/kafka/data/meta.properties ]]; then
  /opt/kafka/bin/kafka-storage.sh format --config "$properties" \
    --cluster-id "$(/opt/kafka/bin/kafka-storage.sh random-uuid)"
fi
exec /opt/kafka/bin/kafka-server-start.sh "$properties"
