"""Runs an ONNX file on graphs that Femur wrote and compares with Femur's output. Usage: run_onnx.py MODEL.onnx GRAPH.safetensors ..."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs/src/how-to"))
from femur_torch import read

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
columns = json.loads(session.get_modelmeta().custom_metadata_map["femur"])
for path in sys.argv[2:]:
    arrays, description = read(path)
    assert all(columns[key] == description[key] for key in columns), path
    (output,) = session.run(["output"], {name: arrays[name] for name in ("nodes", "edges", "senders", "receivers")})
    assert output.shape == arrays["output"].shape and output.dtype == np.float32, path
    error = abs(output - arrays["output"]).max() / abs(arrays["output"]).max()
    assert error < 1e-5, f"{path}: {error}"
    print(f"same {path}: {error:.1e}")
