"""Medians with their spread, ratios within rounds, and the one table."""

import re
from statistics import median

ROWS = [
    ("bytes_fresh", "user memory per idle connection, fresh", "B", 0),
    ("bytes_after_idle", "user memory per connection, after it was idle", "B", 0),
    ("bytes_after_items", "user memory per connection, after 3 items", "B", 0),
    ("slab_both_ends", "kernel slab per connection, both ends", "B", 0),
    ("accept_paced_us", "CPU per accept, 3,000 a second", "us", 2),
    ("accept_burst_us", "CPU per accept, burst of 4,000", "us", 2),
    ("accept_burst_per_s", "accepts per second, burst of 4,000", "/s", 0),
    ("close_us", "CPU per close", "us", 2),
    ("item_us_x1", "CPU per item, drain 10,000 x 1", "us", 2),
    ("items_per_s_x1", "items per second, drain 10,000 x 1", "/s", 0),
    ("user_share_x1", "  of which in user space", "", 2),
    ("item_us_x16", "CPU per item, drain 10,000 x 16", "us", 3),
    ("items_per_s_x16", "items per second, drain 10,000 x 16", "/s", 0),
    ("user_share_x16", "  of which in user space", "", 2),
    ("item_us_paced", "CPU per item, paced 10,000 a second over 10,000", "us", 2),
    ("idle_cpu_percent", "CPU of 19,000 idle connections", "% of a core", 2),
    ("idle_user_percent", "  in user space", "% of a core", 2),
    ("idle_system_percent", "  in the kernel", "% of a core", 2),
    ("idle_machine_percent", "  of the whole machine, both ends", "% of a core", 2),
    ("ask_all_s", "probing all 19,000: time", "s", 2),
    ("ask_all_cpu_us", "probing all 19,000: CPU per connection", "us", 2),
    ("detect_idle_10", "silent while idle, budget 10 s: found after", "s", 1),
    ("detect_in_flight_10", "silent with data in flight, budget 10 s: found after", "s", 1),
    ("detect_idle_3", "silent while idle, budget 3 s: found after", "s", 1),
    ("detect_in_flight_3", "silent with data in flight, budget 3 s: found after", "s", 1),
]


ITEM_ROWS = [row for row in ROWS if "x1" in row[0]]  # of the drains

PROPORTIONAL = {"us", "/s"}  # units for which a ratio to the floor is meaningful


def ratios_of(rounds, name, beside, measure):
    """Returns the ratios within each round that has both servers."""
    if name == beside:
        return []
    return [one[name][measure] / one[beside][measure] for one in rounds
            if measure in one.get(name, {}) and one.get(beside, {}).get(measure, 0) > 0]


def summarise(rounds, names):
    """Returns {server: {measure: {median, min, max, rounds[, ratio_to_floor, ratio_to_go]}}} of a list of {server:
    {measure: figure}}."""
    result = {}
    for name in names:
        result[name] = {}
        for measure, _, unit, _ in ROWS:
            figures = [one[name][measure] for one in rounds if measure in one[name]]
            if not figures:
                continue
            entry = {"median": median(figures), "min": min(figures), "max": max(figures), "rounds": figures}
            for beside in ("floor", "Go"):
                ratios = ratios_of(rounds, name, beside, measure) if unit in PROPORTIONAL else []
                if ratios:
                    entry[f"ratio_to_{beside.lower()}"] = {"median": median(ratios), "min": min(ratios), "max": max(ratios)}
            result[name][measure] = entry
    return result


def cell(entry, digits):
    if entry is None:
        return "-"
    if entry.get("closed", 1) < entry.get("of", 1):
        return f"{entry['closed'] or 'none'} of {entry['of']} within {entry['within_s']:g} s"
    text = f"{entry['median']:,.{digits}f} ({entry['min']:,.{digits}f}..{entry['max']:,.{digits}f})"
    if "ratio_to_floor" in entry:
        text += f" {entry['ratio_to_floor']['median']:.2f}x"
    return text


def align(lines):
    """Returns Markdown that also reads well in a terminal; the first line is the head."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["| " + " | ".join(value.ljust(width) for value, width in zip(line, widths)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def render(summary, names, rows=None):
    lines = [["measure", *names]]
    for measure, label, unit, digits in rows or ROWS:
        entries = [summary[name].get(measure) for name in names]
        if any(entries):
            lines.append([f"{label}, {unit}" if unit else label, *(cell(entry, digits) for entry in entries)])
    return align(lines)


def put_into(document, marker, text):
    """Replaces the text between `<!-- marker -->` and the next `<!-- end -->`."""
    old = document.read_text(encoding="utf-8")
    new, count = re.subn(rf"(<!-- {re.escape(marker)} -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}{text}\n{m[2]}", old, flags=re.S)
    if count != 1:
        raise RuntimeError(f"{document} should hold <!-- {marker} --> and <!-- end --> once, not {count} times")
    document.write_text(new, encoding="utf-8")
