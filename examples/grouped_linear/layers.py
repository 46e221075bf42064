# SPDX-License-Identifier: Apache-2.0
"""The two expert layers of DeepSeek-V2-Lite on skewed routing: how long each product takes, and at what rate.

The first script of TransformerEngine issue 1499 with the class swapped:

    python3 layers.py                  # sinter.GroupedLinear
    python3 layers.py --layer loop     # one product per expert, as that class did
    python3 layers.py --layer te       # transformer_engine.pytorch.GroupedLinear, where it is installed
"""
import argparse
import os
import sys
import time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import sinter  # noqa: E402

EXPERTS, HIDDEN, INTERMEDIATE = 64, 2048, 1408
# Rows per expert of one step, as the issue has them.
ROWS = [8, 83, 945, 0, 162, 4, 3, 0, 251, 510, 24, 140, 37, 0, 33, 10, 1, 0, 5, 0, 115, 0, 1, 1, 1, 188, 43, 1, 7, 0, 12, 0, 324, 5,
        88, 0, 0, 58, 558, 219, 1296, 1155, 2, 1102, 6, 0, 115, 0, 106, 0, 10, 0, 698, 2, 594, 221, 351, 0, 1, 2, 2040, 0, 7, 743]


class LoopLinear(torch.nn.Module):
    def __init__(self, experts, in_features, out_features):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(experts, out_features, in_features, device="cuda").bfloat16() * in_features**-0.5)

    def forward(self, x, m_splits):
        return torch.cat([part @ matrix.t() for part, matrix in zip(x.split(m_splits), self.weight)])


def make_layer(kind, in_features, out_features):
    if kind == "sinter":
        return sinter.GroupedLinear(EXPERTS, in_features, out_features)
    if kind == "te":
        from transformer_engine.pytorch import GroupedLinear
        return GroupedLinear(EXPERTS, in_features, out_features, bias=False, params_dtype=torch.bfloat16)
    return LoopLinear(EXPERTS, in_features, out_features)


class Timed:
    """Wall time of a section, with the GPU waited for at both ends."""

    def __init__(self, name, flops):
        self.name, self.flops = name, flops

    def __enter__(self):
        torch.cuda.synchronize()
        self.start = time.perf_counter()

    def __exit__(self, *_):
        torch.cuda.synchronize()
        seconds = time.perf_counter() - self.start
        print(f"{self.name}: {seconds * 1e3:7.3f} ms, {self.flops / seconds / 1e12:6.1f} TFLOPS")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layer", choices=("sinter", "loop", "te"), default="sinter")
    parser.add_argument("--even", action="store_true", help="384 rows for every expert")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    m_splits = [384] * EXPERTS if options.even else ROWS
    fc1, fc2 = make_layer(options.layer, HIDDEN, 2 * INTERMEDIATE), make_layer(options.layer, INTERMEDIATE, HIDDEN)
    x = torch.randn(sum(m_splits), HIDDEN, device="cuda").bfloat16()
    flops = 2.0 * sum(m_splits) * HIDDEN * INTERMEDIATE
    with torch.no_grad():
        for _ in range(options.steps):
            with Timed("fc1 2048 -> 2816", 2 * flops):
                gate_up = fc1(x, m_splits)
            gate, up = gate_up.chunk(2, dim=1)
            h = torch.nn.functional.silu(gate) * up
            with Timed("fc2 1408 -> 2048", flops):
                fc2(h, m_splits)


if __name__ == "__main__":
    main()
