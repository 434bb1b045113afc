#!/bin/bash
# Trains on Slurm nodes, one process a GPU (docs/scaling.md, section Slurm).
#
#   sbatch --nodes=2 scripts/launch_slurm.sh \
#     --config=configs/resnet.py:resnet50 --workdir=/shared/runs/resnet50
#
# What follows the script goes to jaxcnn.main. Options given to sbatch win over these lines.
#SBATCH --job-name=jaxcnn
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
# B: the signal goes to this script alone, two minutes before the time limit; a preemption sends
# SIGTERM to it as well.
#SBATCH --signal=B:TERM@120

set -u
if [ $# -eq 0 ]; then
  echo "usage: sbatch [options] scripts/launch_slurm.sh" \
    "--config=FILE --workdir=DIRECTORY [--config.field=value ...]" >&2
  exit 2
fi
if [ -z "${SLURM_JOB_ID:-}" ]; then
  echo "error: this is not a Slurm job; start it with sbatch," \
    "or on one machine: python scripts/launch_local.py" >&2
  exit 2
fi

# The processes find each other by the variables that srun sets. A process that fails ends the
# others at once (--kill-on-bad-exit).
srun --kill-on-bad-exit=1 --label --export=ALL "${PYTHON:-python}" -m jaxcnn.main "$@" &
step=$!
# srun takes a first SIGINT for a question. SIGTERM it passes on to every process; they save
# together and exit with 75.
asked=0
trap 'asked=1; kill -TERM "$step"' TERM INT
wait "$step"
code=$?
while [ "$asked" -eq 1 ]; do # the signal has interrupted wait: the processes are saving
  asked=0
  wait "$step"
  code=$?
done

# Exit codes are those of jaxcnn/errors.py. 75: stopped with everything saved. 128 and more: a
# process was killed, or its node failed. The same command goes on from there.
restarts=${SLURM_RESTART_COUNT:-0}
if { [ "$code" -eq 75 ] || [ "$code" -ge 128 ]; } && [ "$restarts" -lt "${MAX_RESTARTS:-20}" ]; then
  echo "exit code $code: back into the queue (restart $((restarts + 1)) of ${MAX_RESTARTS:-20})"
  scontrol requeue "$SLURM_JOB_ID" && sleep 60 # Slurm ends this script when the job goes back
fi
exit "$code"
