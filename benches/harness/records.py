"""Penstock's records of a run: that every request left exactly one, and that all six plugins decided about it."""

import json

CHAIN = ["house-rules", "footer", "secrets-in", "secrets-out", "cheapest", "sticky"]
# A plugin that decided. `none`, `skipped` and `fault` say that it was not asked, or gave no answer.
DECIDED = {"proceed", "edit", "answer", "refuse", "order", "hold", "end"}
# What is shown of what is wrong.
EXAMPLES = 3


def read(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines]


def problems(records, sent):
    """What is wrong with the records of a run that sent so many requests; empty if nothing is."""
    found = []
    if len(records) != sent:
        found.append(f"{sent} requests left {len(records)} records")
    lacking = [(record, missing) for record in records if (missing := undecided(record))]
    for record, missing in lacking[:EXAMPLES]:
        found.append(f"request {record.get('id')}: no verdict of {', '.join(missing)} in {record.get('plugins')}")
    if len(lacking) > EXAMPLES:
        found.append(f"... {len(lacking)} requests in all without a verdict of every plugin")
    return found


def undecided(record):
    """The plugins of the chain without a verdict, or with a fault among their verdicts."""
    verdicts = {}
    for entry in record.get("plugins", []):
        verdicts.setdefault(entry["name"], set()).add(entry["verdict"])
    return [
        name for name in CHAIN
        if not verdicts.get(name, set()) & DECIDED or verdicts[name] & {"skipped", "fault"}
    ]


def plugin_times(records):
    """Microseconds in all plugins, for each unstreamed request."""
    return [sum(entry["us"] for entry in record["plugins"]) for record in records if not record["stream"]]
