"""The project's targets (docs/explanation/performance.md), compared with one run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    text: str
    server: str
    measure: str
    limit: float
    beside: str = ""  # a ratio to this server within the same round; else the figure itself
    at_least: bool = False
    worst: bool = False  # the largest counts, not the median


TARGETS = [
    Target("user bytes per idle connection, fresh", "holdfast", "bytes_fresh", 120),
    Target("user bytes per connection, after a minute idle", "holdfast", "bytes_after_idle", 120),
    Target("user bytes per idle connection, after traffic", "holdfast", "bytes_after_items", 176),
    Target("CPU per item, drain x 1, no sink", "holdfast", "item_us_x1", 1.15, "floor"),
    Target("CPU per item, drain x 1, file", "holdfast, file", "item_us_x1", 1.4, "floor"),
    Target("CPU per item, drain x 16, no sink", "holdfast", "item_us_x16", 1.3, "floor"),
    Target("CPU per item, drain x 16, file", "holdfast, file", "item_us_x16", 2.0, "floor"),
    Target("CPU per accept, burst", "holdfast", "accept_burst_us", 1.2, "floor"),
    Target("CPU per accept, paced arrivals", "holdfast", "accept_paced_us", 1.2, "floor"),
    Target("rate of a burst of accepts", "holdfast", "accept_burst_per_s", 3.0, "Go", at_least=True),
    Target("paced 10,000 items/s, CPU per item", "holdfast", "item_us_paced", 1.1, "floor"),
    Target("paced 10,000 items/s, CPU per item", "holdfast", "item_us_paced", 0.4, "Go"),
    Target("19,000 idle: CPU in user space, % of a core", "holdfast", "idle_user_percent", 0.5),
    Target("silence while idle found, worst, s", "holdfast", "detect_idle_10", 10, worst=True),
    Target("silence with data in flight found, worst, s", "holdfast", "detect_in_flight_10", 10, worst=True),
]


def figure_of(target, summary):
    entry = summary.get(target.server, {}).get(target.measure)
    if entry is None:
        return None
    if target.beside:
        ratio = entry.get(f"ratio_to_{target.beside.lower()}")
        return ratio and ratio["median"]
    return entry.get("max" if target.worst else "median", float("inf"))


def verdict(target, figure, summary):
    reached = figure >= target.limit if target.at_least else figure <= target.limit
    if reached:
        return "reached"
    if figure == float("inf"):
        return "**not reached**: not all found"
    off = target.limit / figure - 1 if target.at_least else figure / target.limit - 1
    text = f"**not reached**, by {off:.1%}"
    bare = summary.get("floor", {}).get(target.measure, {}).get("ratio_to_go") if target.beside == "Go" else None
    return text + (f"; the floor itself: {bare['median']:.2f}" if bare else "")


def judge(summary):
    """Returns rows of text: measure, server, target, figure, verdict."""
    rows = [["target", "server", "wanted", "seen", ""]]
    for target in TARGETS:
        figure = figure_of(target, summary)
        if figure is None:
            continue
        times = f" x {target.beside}" if target.beside else ""
        wanted = f"{'>=' if target.at_least else '<='} {target.limit:g}{times}"
        rows.append([target.text, target.server, wanted, f"{figure:,.2f}{times}", verdict(target, figure, summary)])
    return rows
