"""From measurements to lines: medians over rounds, ratios within a round, one line per gateway and scenario."""

import statistics

# What a scenario's line starts with, in the words of the load generator's report.
CPU = {"chat": "cpu_us_per_request", "low-rate": "cpu_us_per_request",
       "sse-isolated": "cpu_us_per_event", "sse-flat": "cpu_us_per_event"}
# Isolated events are timed one by one, from the provider's write to the client's read.
LATENCY = {"chat": "", "low-rate": "", "sse-flat": "", "sse-isolated": "event_"}
SCENARIOS = ["chat", "sse-isolated", "sse-flat", "low-rate", "live-streams", "startup", "plugins"]


def summary(rounds):
    """`rounds` is a list of {gateway: {scenario: report}}; the result {scenario: {gateway: {field: number}}}."""
    gateways = sorted({gateway for one in rounds for gateway in one}, key=["bare", "nginx", "penstock", "direct"].index)
    return {scenario: lines for scenario in SCENARIOS if (lines := {
        gateway: fields for gateway in gateways if (fields := line(rounds, gateway, scenario))
    })}


def line(rounds, gateway, scenario):
    """The fields of one line, in the order they are printed; None where there was nothing to measure."""
    mine = [(one[gateway][scenario], one) for one in rounds if scenario in one.get(gateway, {})]
    if not mine or (gateway == "direct"):
        return None
    if scenario == "plugins":
        times = sorted(us for report, _ in mine for us in report["us"])
        return {"p50_us": times[len(times) // 2], "p99_us": times[len(times) * 99 // 100], "requests": len(times)}
    if scenario == "startup":
        return spread("first_200_ms", mine, "first_200_ms", gateway, scenario)
    if scenario == "live-streams":
        fields = spread("rss_kib", mine, "rss_kib_per_stream", gateway, scenario)
        return {**fields, "streams": mine[0][0]["sent"]}
    fields = spread("cpu_us", mine, CPU[scenario], gateway, scenario)
    prefix = LATENCY[scenario]
    for figure in ("p50", "p99", "max"):
        fields[f"{figure}_us"] = median(report[f"{prefix}{figure}_us"] for report, _ in mine)
    if scenario == "low-rate":
        fields["added_p50_us"] = median(report["p50_us"] - one["direct"]["low-rate"]["p50_us"] for report, one in mine)
    if scenario == "sse-flat":
        fields["first_byte_p50_us"] = median(report["first_byte_p50_us"] for report, _ in mine)
    if scenario.startswith("sse"):
        fields["events_per_s"] = median(report["events_per_s"] for report, _ in mine)
    fields["requests_per_s"] = median(report["requests_per_s"] for report, _ in mine)
    fields["busy"] = median(report["cpu_share"] for report, _ in mine)
    return fields


def spread(name, mine, field, gateway, scenario):
    """The figure and its ratio to bare of the same round: median, least and greatest."""
    values = [report[field] for report, _ in mine]
    ratios = [report[field] / bare for report, one in mine if (bare := one.get("bare", {}).get(scenario, {}).get(field))]
    fields = {name: median(values)}
    if ratios:
        fields["ratio_to_bare"] = round(statistics.median(ratios), 3)
    fields.update({f"{name}_min": min(values), f"{name}_max": max(values)})
    if ratios and gateway != "bare":
        fields.update({"ratio_min": round(min(ratios), 3), "ratio_max": round(max(ratios), 3)})
    return {key: rounded(value, key) for key, value in fields.items()}


def median(values):
    return rounded(statistics.median(values), "")


def rounded(value, key):
    return round(value, 3) if "ratio" in key or value < 10 else round(value, 1)


def text(found):
    """`penstock/chat cpu_us=... ratio_to_bare=... p50_us=... p99_us=...`; latency before the spread."""
    lines = []
    for scenario, gateways in found.items():
        for gateway, fields in gateways.items():
            first = [key for key in fields if not key.endswith(("_min", "_max"))]
            last = [key for key in fields if key not in first]
            shown = " ".join(f"{key}={fields[key]:g}" for key in first + last)
            lines.append(f"{gateway}/{scenario} {shown}")
    return "\n".join(lines)
