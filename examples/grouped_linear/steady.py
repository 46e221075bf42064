# SPDX-License-Identifier: Apache-2.0
"""10,000 forward passes of one expert layer, each waited for: how even they are.

The second script of TransformerEngine issue 1499 with the class swapped. There about 40 of 10,000 were slower by more
than 30 %, for what the host did between the kernels.

    python3 steady.py [--layer sinter | loop | te] [--plot FILE.png]
"""
import argparse
import time

import torch

from layers import make_layer

ROWS, IN, OUT, EXPERTS = 2304, 2048, 2816, 64


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layer", choices=("sinter", "loop", "te"), default="sinter")
    parser.add_argument("--passes", type=int, default=10_000)
    parser.add_argument("--plot", help="file for a picture of all passes")
    options = parser.parse_args()
    layer = make_layer(options.layer, IN, OUT)
    x, m_splits = torch.randn(ROWS * EXPERTS, IN, device="cuda").bfloat16(), [ROWS] * EXPERTS
    seconds = []
    with torch.no_grad():
        for i in range(options.passes + options.passes // 20):
            torch.cuda.synchronize()
            start = time.perf_counter()
            layer(x, m_splits)
            torch.cuda.synchronize()
            if i >= options.passes // 20:  # after the clocks have settled
                seconds.append(time.perf_counter() - start)
    flops = 2.0 * ROWS * EXPERTS * IN * OUT
    median = sorted(seconds)[len(seconds) // 2]
    print(f"{options.layer}: {len(seconds)} passes, median {median * 1e3:.3f} ms = {flops / median / 1e12:.0f} TFLOPS")
    for factor in (1.1, 1.3):
        print(f"slower than {factor} x the median: {sum(s > factor * median for s in seconds)}")
    print(f"worst: {max(seconds) / median:.3f} x the median")
    if options.plot:
        import matplotlib
        matplotlib.use("Agg")
        from matplotlib import pyplot
        pyplot.figure(figsize=(10, 4))
        pyplot.plot([flops / s / 1e12 for s in seconds], ".", markersize=2)
        pyplot.xlabel("pass")
        pyplot.ylabel("TFLOPS")
        pyplot.ylim(bottom=0)
        pyplot.title(f"{EXPERTS} x {ROWS} rows, {OUT} x {IN}, bf16, {options.layer}")
        pyplot.savefig(options.plot, dpi=120, bbox_inches="tight")


if __name__ == "__main__":
    main()
