# SPDX-License-Identifier: Apache-2.0
"""torch._grouped_mm, a loop of cuBLAS products and sinter.grouped_linear side by side, drawn as a table.

    python3 bench/grouped_linear.py [--png FILE] [--json FILE] [--backward] [--cases "NAME;NAME"]

Of each case: the time on the device (median of event-timed calls, 256 MB written before each so that the L2 cache is
cold, random operands, the contenders in turns, a pause before each since the chip is limited by its power), the spread
over the rounds, and what one call costs the host (median and 99th percentile of calls timed by themselves, the GPU
waited for every 32). Every result is compared with float64 first, on outputs that were poisoned.
"""
import argparse
import json
import os
import statistics
import sys
import time

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "python"), os.path.join(HERE, "..", "examples", "grouped_linear")]
import sinter.torch_ops  # noqa: E402  (registers the operators)
from layers import ROWS as SKEWED  # noqa: E402

# name -> (out features, in features, rows of each expert)
CASES = {
    "64 x 384, 2816 x 2048": (2816, 2048, [384] * 64),
    "64 x 384, 2048 x 1408": (2048, 1408, [384] * 64),
    "skewed, 2816 x 2048": (2816, 2048, SKEWED),
    "skewed, 2048 x 1408": (2048, 1408, SKEWED),
    "64 x 2304, 2816 x 2048": (2816, 2048, [2304] * 64),
    "4 x 8192, 4096 x 7168": (4096, 7168, [8192] * 4),
    "32 x 20, 4096 x 7168": (4096, 7168, [20] * 32),
    "64 x 6, 2816 x 2048": (2816, 2048, [6] * 64),
}
CALLS, WARM_UP, ROUNDS, PAUSE_S, HOST_CALLS, CALLS_PER_WAIT = 20, 5, 3, 0.2, 640, 32


class Case:
    def __init__(self, n, k, counts):
        generator = torch.Generator(device="cuda").manual_seed(1)
        self.counts = counts
        self.x = torch.randn(sum(counts), k, device="cuda", generator=generator).bfloat16()
        self.w = torch.randn(len(counts), n, k, device="cuda", generator=generator).bfloat16()
        self.dy = torch.randn(sum(counts), n, device="cuda", generator=generator).bfloat16()
        self.splits = torch.tensor(counts, device="cuda")
        self.offsets = torch.nn.functional.pad(torch.cumsum(self.splits, 0, dtype=torch.int32), (1, 0))
        self.flops = 2.0 * sum(counts) * n * k

    def forward(self):
        ends, wt = self.offsets[1:], self.w.transpose(1, 2)
        y = torch.empty_like(self.dy)

        def loop():
            first = 0
            for count, matrix in zip(self.counts, wt):
                if count:
                    torch.mm(self.x[first:first + count], matrix, out=y[first:first + count])
                first += count
            return y
        parts = self.x.split(self.counts)
        expected = [lambda: torch.cat([p.double() @ m.double() for p, m in zip(parts, wt)])]
        return expected, {"torch._grouped_mm": lambda: torch._grouped_mm(self.x, wt, offs=ends), "cuBLAS loop": loop,
                          "Sinter": lambda: sinter.grouped_linear(self.x, self.w, self.counts)}

    def dgrad(self):
        parts = self.dy.split(self.counts)
        expected = [lambda: torch.cat([p.double() @ m.double() for p, m in zip(parts, self.w)])]
        operator = torch.ops.sinter.grouped_linear_dgrad
        return expected, {"torch._grouped_mm": lambda: torch._grouped_mm(self.dy, self.w, offs=self.offsets[1:]),
                          "Sinter": lambda: operator(self.dy, [self.w], self.offsets, [])}

    def wgrad(self):
        pairs = list(zip(self.dy.split(self.counts), self.x.split(self.counts)))
        expected = [lambda: torch.stack([d.double().t() @ x.double() for d, x in pairs])]
        operator = torch.ops.sinter.grouped_linear_wgrad
        return expected, {"torch._grouped_mm": lambda: torch._grouped_mm(self.dy.t(), self.x, offs=self.offsets[1:]),
                          "Sinter": lambda: operator(self.dy, self.x, self.offsets, [], len(self.counts))}


def device_us(function):
    torch.cuda.synchronize()
    time.sleep(PAUSE_S)
    events = []
    for _ in range(WARM_UP + CALLS):
        flush.zero_()
        begin, end = torch.cuda.Event(True), torch.cuda.Event(True)
        begin.record()
        function()
        end.record()
        events.append((begin, end))
    torch.cuda.synchronize()
    return statistics.median(begin.elapsed_time(end) * 1e3 for begin, end in events[WARM_UP:])


def host_us(function):
    """(median, 99th percentile)."""
    times = []
    for i in range(HOST_CALLS):
        start = time.perf_counter_ns()
        function()
        times.append((time.perf_counter_ns() - start) / 1e3)
        if i % CALLS_PER_WAIT == CALLS_PER_WAIT - 1:
            torch.cuda.synchronize()
    times = sorted(times[HOST_CALLS // 10:])
    return times[len(times) // 2], times[len(times) * 99 // 100]


def poison():
    """What an output that is not written would hold: the allocator hands freed memory out again."""
    torch.empty(1 << 30, dtype=torch.uint8, device="cuda").fill_(0xFF)


def measure(name, direction, expected, contenders):
    expected = expected[0]()
    rows = {}
    for contender, function in contenders.items():
        poison()
        error = ((function().double() - expected).norm() / expected.norm()).item()
        if not error < 4e-3:
            raise SystemExit(f"{name} {direction} {contender}: WRONG, relative error {error:.1e}")
        rows[contender] = {"case": name, "direction": direction, "contender": contender, "error": error, "rounds_us": []}
    del expected
    torch.cuda.empty_cache()
    for _ in range(ROUNDS):
        for contender, function in contenders.items():
            rows[contender]["rounds_us"].append(device_us(function))
    for contender, function in contenders.items():
        rows[contender]["us"] = statistics.median(rows[contender]["rounds_us"])
        rows[contender]["host_us"], rows[contender]["host_p99_us"] = host_us(function)
    return list(rows.values())


def show(row, flops, base):
    rounds = row["rounds_us"]
    row["tflops"], row["speedup"] = flops / row["us"] / 1e6, base / row["us"]
    print(f"{row['case']:24s} {row['direction']:8s} {row['contender']:18s} {row['us']:8.1f} us ({min(rounds):.1f}-{max(rounds):.1f}) "
          f"{row['tflops']:6.0f} TFLOPS {row['speedup']:5.2f}x  host {row['host_us']:7.1f} / {row['host_p99_us']:.1f} us", flush=True)


def draw(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    header = ["case", "", "", "device us", "TFLOPS", "of torch", "host us p50 / p99"]
    cells = [[r["case"], r["direction"], r["contender"], f"{r['us']:.1f}", f"{r['tflops']:.0f}", f"{r['speedup']:.2f}x",
              f"{r['host_us']:.1f} / {r['host_p99_us']:.1f}"] for r in rows]
    figure, axes = pyplot.subplots(figsize=(11, 0.28 * (len(rows) + 3)))
    axes.axis("off")
    table = axes.table(cellText=cells, colLabels=header, loc="center", cellLoc="right", colWidths=[.23, .09, .18, .11, .1, .1, .19])
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    for (line, column), cell in table.get_celld().items():
        cell.set_linewidth(0.3)
        if line == 0:
            cell.set_text_props(weight="bold")
        elif rows[line - 1]["contender"] == "Sinter":
            cell.set_facecolor("#e4f0e4")
        if column < 3:
            cell.set_text_props(ha="left")
    axes.set_title(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, bf16, L2 flushed, random operands", fontsize=10)
    figure.savefig(path, dpi=130, bbox_inches="tight")


def main():
    global flush
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--png")
    parser.add_argument("--json")
    parser.add_argument("--backward", action="store_true", help="dgrad and wgrad, too")
    parser.add_argument("--cases", default=";".join(CASES), help="names, separated by semicolons")
    options = parser.parse_args()
    flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
    print(torch.cuda.get_device_name(), "torch", torch.__version__, flush=True)
    rows = []
    for name in options.cases.split(";"):
        case = Case(*CASES[name])
        for direction in ("forward", "dgrad", "wgrad") if options.backward else ("forward",):
            expected, contenders = getattr(case, direction)()
            measured = measure(name, direction, expected, contenders)
            for row in measured:
                show(row, case.flops, measured[0]["us"])
            rows += measured
        del case
        torch.cuda.empty_cache()
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)
    if options.png:
        draw(rows, options.png)


if __name__ == "__main__":
    main()
