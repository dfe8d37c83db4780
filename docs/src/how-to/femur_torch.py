"""Runs the networks that Femur trained, in PyTorch, or in NumPy where that is not installed.

    python femur_torch.py RUN/model.safetensors GRAPH.safetensors ...

prints how far it is from Femur's own output for each GRAPH, which `femur export DATA --network RUN -o DIR` writes.
To train on: `net = Network("RUN/model.safetensors")` is a torch.nn.Module, `net(nodes, edges, senders, receivers)` its output.
"""

import json
import struct
import sys

import numpy as np

try:
    import torch
except ImportError:
    torch = None


def read(path):
    """The arrays of a safetensors file by name, and Femur's description of them."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    description = json.loads(header.pop("__metadata__")["femur"])
    kinds = {"F32": np.float32, "I64": np.int64}
    cut = lambda t: np.frombuffer(data[slice(*t["data_offsets"])], kinds[t["dtype"]]).reshape(t["shape"])
    return {name: cut(t) for name, t in header.items()}, description


def read_model(path):
    """Weights by name, without the number that keeps them in order, and the description of the network."""
    weights, description = read(path)
    return {name.split(".", 1)[1]: w for name, w in weights.items()}, description["plan"]["model"]


class NumpyOps:
    @staticmethod
    def relu(x):
        return np.maximum(x, 0)

    @staticmethod
    def softmax(x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    @staticmethod
    def norm(x):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + np.float32(1e-5))

    @staticmethod
    def sum_at(x, index, n):
        y = np.zeros((n, x.shape[1]), x.dtype)
        np.add.at(y, index, x)
        return y


class TorchOps:
    @staticmethod
    def relu(x):
        return torch.relu(x)

    @staticmethod
    def softmax(x):
        return torch.softmax(x, -1)

    @staticmethod
    def norm(x):
        return torch.nn.functional.layer_norm(x, x.shape[-1:], eps=1e-5)

    @staticmethod
    def sum_at(x, index, n):
        return torch.zeros(n, x.shape[1], dtype=x.dtype, device=x.device).index_add(0, index, x)


def forward(w, model, ops, nodes, edges, senders, receivers):
    """Output [n, outputs] of nodes [n, node features], edges [m, edge features], senders and receivers [m]."""
    layers, n = model.get("hidden_layers", 1), len(nodes)

    def linear(x, name):
        return x @ w[name + ".weight"] + w[name + ".bias"]

    def norm(x, name):
        return ops.norm(x) * w[name + ".scale"] + w[name + ".shift"]

    def mlp(x, name):  # ReLU after all layers but the last
        for k in range(layers):
            x = ops.relu(linear(x, f"{name}.{k}"))
        return linear(x, f"{name}.{layers}")

    def deepen(x, hidden, out):  # further hidden layers, and one more
        for k in range(1, layers):
            x = ops.relu(linear(x, f"{hidden}.{k}"))
        return linear(x, out)

    def message(v, e, s):  # the first layer of an edge network is split into products per node and per edge
        return ops.relu((v @ w[s + ".sender.weight"])[senders] + (v @ w[s + ".receiver.weight"])[receivers] + linear(e, s + ".edge"))

    def full(v, e, s):
        de = norm(deepen(message(v, e, s), s + ".edge_hidden", s + ".edge_out"), s + ".edge_norm")
        h = ops.relu(linear(v, s + ".node") + ops.sum_at(de, receivers, n) @ w[s + ".node_message.weight"])
        return v + norm(deepen(h, s + ".node_hidden", s + ".node_out"), s + ".node_norm"), e + de

    def lite(v, s):  # the mean over the edges that end at a node
        m = message(norm(v, s + ".norm"), edges, s)
        count = ops.sum_at(m[:, :1] * 0 + 1, receivers, n)
        return v + linear(ops.sum_at(m, receivers, n) / count.clip(1), s + ".out")

    def attention(v, s):  # among slices: tokens are means of nodes
        x = norm(v, s + ".norm")
        weight = ops.softmax(linear(x, s + ".slice").reshape(n, model["heads"], model["slices"])).swapaxes(0, 1)
        value = linear(x, s + ".value").reshape(n, model["heads"], -1).swapaxes(0, 1)
        z = weight.swapaxes(1, 2) @ value / (weight.sum(1)[:, :, None] + 1e-6)
        q, k, u = (z @ w[f"{s}.{part}.weight"] for part in "qkv")
        z = z + ops.softmax(q @ k.swapaxes(1, 2) * z.shape[-1] ** -0.5) @ u
        v = v + linear((weight @ z).swapaxes(0, 1).reshape(n, -1), s + ".out")
        return v + linear(ops.relu(linear(norm(v, s + ".mlp_norm"), s + ".mlp.0")), s + ".mlp.1")

    if model["kind"] not in ("meshgraphnet", "meshgraphnet-global"):
        raise ValueError(f"the network `{model['kind']}` is not known here")
    steps = "F" * model["steps"] if model["kind"] == "meshgraphnet" else model["pattern"]
    v = mlp(nodes, "encode.node")
    e = mlp(edges, "encode.edge") if "F" in steps else None
    for k, step in enumerate(steps):
        if step == "F":
            v, e = full(v, e, f"step.{k}")
        else:
            v = (attention if step == "T" else lite)(v, f"step.{k}")
    return mlp(v if model["kind"] == "meshgraphnet" else norm(v, "decode.norm"), "decode")


class Network(torch.nn.Module if torch else object):
    """A Femur network: in PyTorch a module with parameters, else a function of NumPy arrays."""

    def __init__(self, path):
        super().__init__()
        weights, self.model = read_model(path)
        if torch:  # whose names may hold no dots
            weights = torch.nn.ParameterDict({name.replace(".", "/"): torch.tensor(w) for name, w in weights.items()})
        self.weights = weights

    def forward(self, *graph):
        weights = {name.replace("/", "."): w for name, w in self.weights.items()}
        return forward(weights, self.model, TorchOps if torch else NumpyOps, *graph)

    if not torch:
        __call__ = forward


def main(model, *graphs):
    network = Network(model)
    for path in graphs:
        arrays, _ = read(path)
        graph = [arrays[name] for name in ("nodes", "edges", "senders", "receivers")]
        if torch:
            with torch.no_grad():
                output = network(*[torch.tensor(a) for a in graph]).numpy()
        else:
            output = network(*graph)
        error = abs(output - arrays["output"]).max() / abs(arrays["output"]).max()
        print(f"{path}: {'PyTorch' if torch else 'NumPy'}, largest difference over largest value {error:.1e}")
        if not error < 1e-5:
            sys.exit(f"{path}: not the output of {model}")


if __name__ == "__main__":
    main(*sys.argv[1:])
