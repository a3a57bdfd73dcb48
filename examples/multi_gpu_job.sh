#!/bin/sh
# Two GPUs, one worker on each.  tgpu submit examples/multi_gpu_job.sh
#TGPU --name multi-gpu --gpus 2 --time 10m --priority 5

echo "job ${TGPU_JOB_ID:-(none)} got GPUs ${CUDA_VISIBLE_DEVICES:-(none)}"

# Each worker sees one GPU, as the workers of torchrun choose theirs by LOCAL_RANK.
rank=0
pids=
for gpu in $(echo "${CUDA_VISIBLE_DEVICES:-}" | tr ',' ' '); do
	CUDA_VISIBLE_DEVICES=$gpu LOCAL_RANK=$rank sh -c '
		echo "worker $LOCAL_RANK runs on GPU $CUDA_VISIBLE_DEVICES"
		sleep 3
		echo "worker $LOCAL_RANK is done"' &
	pids="$pids $!"
	rank=$((rank + 1))
done

# A job fails when one of its workers does.
code=0
for pid in $pids; do
	wait "$pid" || code=$?
done
exit "$code"
