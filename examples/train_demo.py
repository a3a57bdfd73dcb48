#!/usr/bin/env python3
"""A small training run for trying out tgpu:

    tgpu submit --gpus 2 -- python3 examples/train_demo.py

It fits y = 3x + 2. With PyTorch it trains on every GPU that the job was given (one model on each,
their gradients averaged by hand), or on the CPU where there is none; without PyTorch it does the
same by plain gradient descent. Nothing is downloaded. EPOCHS sets its length. On SIGTERM, which
tgpu sends before it kills, it says where it would save its state, and ends.
"""

import os
import random
import signal
import sys
import time

EPOCHS = int(os.environ.get("EPOCHS", "10"))
PAUSE_S = 0.2  # an epoch takes at least this long, so that there is something to watch
SLOPE, OFFSET = 3.0, 2.0

stopping = False


def stop(signum, frame):
    """Only note it: the epoch at hand is finished before the state is saved."""
    global stopping
    stopping = True


def make_data(n=256):
    generator = random.Random(1)
    xs = [generator.uniform(-1, 1) for _ in range(n)]
    return xs, [SLOPE * x + OFFSET + generator.gauss(0, 0.05) for x in xs]


def train_plain(xs, ys):
    """Yield (slope, offset, loss) after each epoch of gradient descent."""
    slope = offset = 0.0
    n = len(xs)
    while True:
        for _ in range(20):
            errors = [slope * x + offset - y for x, y in zip(xs, ys)]
            slope -= 0.2 * sum(e * x for e, x in zip(errors, xs)) / n
            offset -= 0.2 * sum(errors) / n
        yield slope, offset, sum(e * e for e in errors) / n


def train_torch(torch, devices, xs, ys):
    """The same with a model on each device; a step averages their gradients, as DDP does."""
    models = [torch.nn.Linear(1, 1).to(device) for device in devices]
    for model in models[1:]:
        model.load_state_dict(models[0].state_dict())
    shards = [
        (
            torch.tensor(xs[i :: len(devices)], device=device).unsqueeze(1),
            torch.tensor(ys[i :: len(devices)], device=device).unsqueeze(1),
        )
        for i, device in enumerate(devices)
    ]
    while True:
        for _ in range(20):
            losses = []
            for model, (x, y) in zip(models, shards):
                model.zero_grad()
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                losses.append(loss.item())
            with torch.no_grad():
                for same in zip(*(model.parameters() for model in models)):
                    mean = sum(p.grad.to(devices[0]) for p in same) / len(same)
                    for p in same:
                        p -= 0.1 * mean.to(p.device)
        first = models[0]
        yield first.weight.item(), first.bias.item(), sum(losses) / len(losses)


def start_training(xs, ys):
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: plain Python instead", flush=True)
        return train_plain(xs, ys)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    devices = [torch.device("cuda", i) for i in range(count)] or [torch.device("cpu")]
    names = [torch.cuda.get_device_name(d) if d.type == "cuda" else "CPU" for d in devices]
    print(f"PyTorch {torch.__version__} on: {', '.join(names)}", flush=True)
    return train_torch(torch, devices, xs, ys)


def main():
    signal.signal(signal.SIGTERM, stop)
    for name in ("TGPU_JOB_ID", "CUDA_VISIBLE_DEVICES"):
        print(f"{name}={os.environ.get(name, '(not set)')}", flush=True)
    training = start_training(*make_data())
    for epoch in range(1, EPOCHS + 1):
        slope, offset, loss = next(training)
        print(f"epoch {epoch}/{EPOCHS}: y = {slope:.3f}x + {offset:.3f}, loss {loss:.5f}", flush=True)
        if stopping:
            print(f"asked to end: here a checkpoint of epoch {epoch} would be saved", flush=True)
            return 0
        time.sleep(PAUSE_S)
    print("done", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
