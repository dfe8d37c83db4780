"""A MeshGraphNet of PyTorch modules with Femur's weights: a training step or an inference."""

import resource
import sys

import protocol

job = protocol.job()
try:
    import numpy as np
    import torch
    from torch import nn
except ImportError as error:
    protocol.missing(error)


def linear(*names, bias):
    """A layer whose input is what `names` multiply, one after another."""
    weight = np.concatenate([load(n) for n in names])
    layer = nn.Linear(*weight.shape)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight.T))
        layer.bias.copy_(torch.tensor(load(bias).reshape(-1)))
    return layer


def load(name):
    values = np.load(f"{job['folder']}/{name}.npy")
    return np.atleast_2d(values)


def norm(name):
    layer = nn.LayerNorm(job["width"])
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(load(f"{name}.scale").reshape(-1)))
        layer.bias.copy_(torch.tensor(load(f"{name}.shift").reshape(-1)))
    return layer


def plain(name):
    layers = [linear(f"{name}.{k}.weight", bias=f"{name}.{k}.bias") for k in range(3)]
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])


def inner(step, kind, *first):
    name = f"step.{step}.{kind}"
    return nn.Sequential(
        linear(*(f"step.{step}.{n}.weight" for n in first), bias=f"{name}.bias"),
        nn.ReLU(),
        linear(f"{name}_hidden.1.weight", bias=f"{name}_hidden.1.bias"),
        nn.ReLU(),
        linear(f"{name}_out.weight", bias=f"{name}_out.bias"),
        norm(f"{name}_norm"),
    )


class MeshGraphNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode_node, self.encode_edge, self.decode = plain("encode.node"), plain("encode.edge"), plain("decode")
        self.edge = nn.ModuleList(inner(k, "edge", "sender", "receiver", "edge") for k in range(job["steps"]))
        self.node = nn.ModuleList(inner(k, "node", "node", "node_message") for k in range(job["steps"]))

    def forward(self, nodes, edges, senders, receivers):
        v, e = self.encode_node(nodes), self.encode_edge(edges)
        for edge, node in zip(self.edge, self.node):
            message = edge(torch.cat([v.index_select(0, senders), v.index_select(0, receivers), e], 1))
            e = e + message
            total = torch.zeros_like(v).index_add_(0, receivers, message.to(v.dtype))
            v = v + node(torch.cat([v, total], 1))
        return self.decode(v)


def main(compiled=False, bf16=False):
    torch.set_num_threads(job["threads"])
    device = job["device"]
    tensor = lambda name, kind: torch.tensor(np.load(f"{job['folder']}/{name}.npy"), dtype=kind, device=device)
    inputs = [tensor("nodes", torch.float32), tensor("edges", torch.float32), tensor("senders", torch.int64), tensor("receivers", torch.int64)]
    targets = tensor("targets", torch.float32)
    model = MeshGraphNet().to(device)
    forward = torch.compile(model) if compiled else model
    optimiser = torch.optim.AdamW(model.parameters(), lr=job["rate"], weight_decay=0.0)
    casting = lambda: torch.autocast(device, dtype=torch.bfloat16, enabled=bf16)

    def train():
        optimiser.zero_grad()
        with casting():
            y = forward(*inputs)
        loss = ((y.float() - targets) ** 2).mean()
        loss.backward()
        norm = torch.sqrt(sum((p.grad.double() ** 2).sum() for p in model.parameters()))
        optimiser.step()
        return {"loss": loss.item(), "gradient": norm.item()}

    def infer():
        with torch.no_grad(), casting():
            return {"output": (forward(*inputs).double() ** 2).mean().item()}

    work = train if job["train"] else infer
    if compiled:
        # Compiles before the first run, without an update of the weights.
        with torch.set_grad_enabled(job["train"]):
            y = forward(*inputs)
        if job["train"]:
            y.sum().backward()

    def run():
        with protocol.Timer() as timer:
            values = work()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return timer.wall, timer.cpu, values, {"peak_mb": peak}

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {torch.cuda.get_device_name() if device == "cuda" else torch.backends.cpu.get_cpu_capability()}", file=sys.stderr)
    protocol.serve(run)


if __name__ == "__main__":
    main()
