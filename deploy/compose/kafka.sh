#!/usr/bin/env bash
# Formats the storage on the first start, then becomes the broker: nothing is written beside the data
# volume and /tmp.
set -euo pipefail
properties=/etc/rollcall/kafka.properties
if [[ ! -e /var/lib/kafka/data/meta.properties ]]; then
  /opt/kafka/bin/kafka-storage.sh format --config "$properties" \
    --cluster-id "$(/opt/kafka/bin/kafka-storage.sh random-uuid)"
fi
exec /opt/kafka/bin/kafka-server-start.sh "$properties"
