#!/bin/bash
# Trains on every host of a Cloud TPU slice (docs/scaling.md, section Cloud TPU).
#
#   TPU=my-v4-32 ZONE=us-central2-b scripts/launch_tpu_pod.sh \
#     --config=configs/resnet.py:resnet50 --workdir=/mnt/runs/resnet50
#
# What follows the script goes to jaxcnn.main on every host. TPU and ZONE name the slice; PROJECT
# its project (default: gcloud's own); DIRECTORY is where the repository lies on every host
# (default: jaxcnn); PYTHON the interpreter there (default: .venv/bin/python); MAX_RESTARTS says how
# often a run that died is started again (default: 10).

set -u
if [ $# -eq 0 ] || [ -z "${TPU:-}" ] || [ -z "${ZONE:-}" ]; then
  echo "usage: TPU=NAME ZONE=ZONE [PROJECT=...] scripts/launch_tpu_pod.sh" \
    "--config=FILE --workdir=DIRECTORY [--config.field=value ...]" >&2
  exit 2
fi
if ! command -v gcloud >/dev/null; then
  echo "error: gcloud is not installed here; see https://cloud.google.com/sdk/docs/install" >&2
  exit 2
fi

on_all_hosts() { # runs one shell command on every host
  gcloud alpha compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" ${PROJECT:+--project="$PROJECT"} \
    --worker=all --command="$1"
}

# Each argument is quoted once more, since a shell on the host reads the line. The processes find
# each other through the TPU's metadata.
line="cd $(printf %q "${DIRECTORY:-jaxcnn}") && exec $(printf %q "${PYTHON:-.venv/bin/python}")"
line="$line -m jaxcnn.main$(printf ' %q' "$@")"

# Ctrl-C or SIGTERM here: every process saves and ends with 75. Without it they would go on when
# the connection is cut.
stopped=0
asked=0
trap 'stopped=1; asked=1; on_all_hosts "pkill -TERM -f [j]axcnn.main"' INT TERM

restarts=0
while true; do
  on_all_hosts "$line" &
  hosts=$!
  wait "$hosts"
  code=$?
  while [ "$asked" -eq 1 ]; do # the signal has interrupted wait: the processes are saving
    asked=0
    wait "$hosts"
    code=$?
  done
  # 0 done, 2 a setting that cannot work.
  if [ "$code" -eq 0 ] || [ "$code" -eq 2 ] || [ "$stopped" -eq 1 ] ||
    [ "$restarts" -ge "${MAX_RESTARTS:-10}" ]; then
    exit "$code"
  fi
  restarts=$((restarts + 1))
  echo "exit code $code: restart $restarts of ${MAX_RESTARTS:-10}"
  # What is left of the processes that waited for the one that died.
  on_all_hosts "pkill -KILL -f [j]axcnn.main; true"
  sleep 10
done
