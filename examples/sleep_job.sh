#!/bin/sh
# The smallest job: no GPU, sleeps, ends.  tgpu submit examples/sleep_job.sh 5
#TGPU --name sleep --time 10m

seconds=${1:-10}
echo "job ${TGPU_JOB_ID:-(none)} sleeps for $seconds s on $(uname -n)"
sleep "$seconds"
echo "job ${TGPU_JOB_ID:-(none)} is done"
