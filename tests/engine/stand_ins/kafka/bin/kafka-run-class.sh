#!/usr/bin/env bash
# What our files rely on of Kafka's own script of this name: the variables that it reads, and that it writes
# a log of the garbage collector into LOG_DIR unless EXTRA_ARGS of the caller leaves -loggc out.
set -euo pipefail
gc_log=()
while [[ ${1:-} == -* ]]; do
  case $1 in
    -name) shift 2 ;;
    -loggc) gc_log=("-Xlog:gc*:file=${LOG_DIR:-/opt/kafka/logs}/kafkaServer-gc.log:time,tags"); shift ;;
    *) break ;;
  esac
done
mkdir -p "${LOG_DIR:-/opt/kafka/logs}"
# Lists of options, split at blanks.
# shellcheck disable=SC2086
exec java ${KAFKA_HEAP_OPTS:--Xmx256M} -XX:+UseSerialGC --sun-misc-unsafe-memory-access=allow \
  "${gc_log[@]}" "-Dkafka.logs.dir=${LOG_DIR:-/opt/kafka/logs}" ${KAFKA_LOG4J_OPTS:-} \
  -cp "/opt/kafka/libs/*" "$@"
