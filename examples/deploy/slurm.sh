#!/bin/bash
#SBATCH --job-name=i2v-search
#SBATCH --array=1-16
#SBATCH --cpus-per-task=8
#SBATCH --mem=8G
#SBATCH --time=04:00:00
# Sixteen shares of a folder, one a task: sbatch slurm.sh /shared/art /shared/index
# After the last one:  i2v-search merge /shared/index/shard* --collection /shared/index/art
#                      i2v-search index --collection /shared/index/art
# A task that was stopped is submitted again as it is: what it has done is not repeated.
set -euo pipefail
art=$1
index=$2
i2v-search extract "$art" \
    --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
    --threads "$SLURM_CPUS_PER_TASK" \
    --collection "$index/shard$SLURM_ARRAY_TASK_ID"
