#!/usr/bin/env python3
"""Checks what lies in deploy/ as far as that goes without Docker: run from anywhere, needs nothing but Python.

Dashboards and alerts name only metrics and labels that proxy/src/state/metrics.rs declares; every declared metric is on
the dashboard; JSON and YAML parse; the Dockerfile copies only what exists and ends as a user that is not root; the unit
says what the README says. With the path of a built `penstock` as argument, the example configuration is checked too.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

try:
    import yaml
except ImportError:
    yaml = None

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
METRICS = ROOT / "proxy/src/state/metrics.rs"
# Labels that Prometheus adds by itself.
ADDED_LABELS = {"instance", "job", "le"}
PARTS_OF_A_HISTOGRAM = ("_bucket", "_sum", "_count")

problems = []


def problem(path, text):
    problems.append(f"{path.relative_to(ROOT)}: {text}")


def declared():
    """{metric: labels} of metrics.rs: a name, its help text and perhaps a list of labels, as literals one after another."""
    source = METRICS.read_text().split("#[cfg(test)]")[0]
    found = {}
    for match in re.finditer(r'"(penstock_\w+)",\s*"[^"]*",?\s*(?:&\[([^\]]*)\])?', source):
        found[match[1]] = set(re.findall(r'"(\w+)"', match[2] or ""))
    for name in re.findall(r'"(penstock_\w+)"', source):
        if name not in found:
            problem(METRICS, f"cannot read the declaration of {name}; lint.py has to learn it")
    return found


def check_expression(path, expression, metrics):
    """Every metric is declared, and every label belongs to a metric of the expression."""
    used = set()
    for name, selector in re.findall(r"\b(penstock_\w+)(?:\{([^}]*)\})?", expression):
        base = base_name(name, metrics)
        if base is None:
            problem(path, f"no metric {name}, in: {expression}")
            continue
        used |= metrics[base]
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector):
            if label not in metrics[base] | ADDED_LABELS:
                problem(path, f"{name} has no label {label}, in: {expression}")
    for group in re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", expression):
        for label in (part.strip() for part in group.split(",")):
            if label not in used | ADDED_LABELS:
                problem(path, f"no metric here has a label {label}, in: {expression}")


def base_name(name, metrics):
    if name in metrics:
        return name
    for part in PARTS_OF_A_HISTOGRAM:
        if name.endswith(part) and name.removesuffix(part) in metrics:
            return name.removesuffix(part)
    return None


def check_dashboard(path, metrics):
    dashboard = json.loads(path.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    expressions += [note["expr"] for note in dashboard["annotations"]["list"] if "expr" in note]
    expressions += [variable["definition"] for variable in dashboard["templating"]["list"] if "definition" in variable]
    for expression in expressions:
        check_expression(path, expression, metrics)
    text = "\n".join(expressions)
    for name in metrics:
        if not re.search(rf"\b{name}(?:_bucket|_sum|_count)?\b", text):
            problem(path, f"{name} is declared and on no panel")
    numbers = [panel["id"] for panel in dashboard["panels"]]
    if len(set(numbers)) != len(numbers):
        problem(path, "two panels have the same id")


def check_alerts(path, metrics):
    """Expressions in one line or in a block of lines, as they are written in this repository."""
    lines = path.read_text().splitlines()
    for at, line in enumerate(lines):
        match = re.match(r"(\s*)expr:\s*(.*)", line)
        if not match:
            continue
        expression = match[2]
        if expression in ("|", ">"):
            block = []
            for following in lines[at + 1:]:
                if len(following) - len(following.lstrip()) <= len(match[1]):
                    break
                block.append(following.strip())
            expression = " ".join(block)
        check_expression(path, expression, metrics)
    names = re.findall(r"- alert: (\w+)", "\n".join(lines))
    if not names or len(set(names)) != len(names):
        problem(path, "no alerts, or two of the same name")


def check_yaml(path):
    """With PyYAML a whole parse; without it the mistakes that people make: tabs, odd indentation, open brackets."""
    text = path.read_text()
    if yaml is not None:
        try:
            list(yaml.safe_load_all(text))
        except yaml.YAMLError as error:
            problem(path, f"not YAML: {error}")
        return
    for number, line in enumerate(text.splitlines(), 1):
        code = re.sub(r'"[^"]*"|\'[^\']*\'', '""', line).split(" #")[0]
        if "\t" in line:
            problem(path, f"line {number}: a tab")
        if (len(line) - len(line.lstrip())) % 2:
            problem(path, f"line {number}: odd indentation")
        if not line.lstrip().startswith("#") and any(code.count(a) != code.count(b) for a, b in ("{}", "[]")):
            problem(path, f"line {number}: a bracket that is not closed")


def check_dockerfile(path):
    text = path.read_text()
    stages = re.findall(r"^FROM \S+ AS (\S+)", text, re.M)
    if not stages or not re.search(r"^USER (?!root)\S+", text.split("FROM")[-1], re.M):
        problem(path, "the last stage must end as a user that is not root")
    for stage in re.findall(r"COPY --from=(\S+)", text):
        if stage not in stages:
            problem(path, f"copies from a stage that does not exist: {stage}")
    if re.search(r"^FROM \S+:latest\b", text, re.M):
        problem(path, "a base image without a version")
    if "python3 .ci/dist.py" not in text or "target/shipped/penstock" not in text:
        problem(path, "images ship what `make dist` builds")
    if "--locked" not in text:
        problem(path, "what is built besides is built with --locked")
    packages = re.findall(r"--package (\S+)", text)
    members = "\n".join(manifest.read_text() for manifest in ROOT.glob("*/Cargo.toml"))
    members += "\n".join(manifest.read_text() for manifest in ROOT.glob("benches/*/Cargo.toml"))
    for package in packages:
        if f'name = "{package}"' not in members:
            problem(path, f"there is no package {package}")
    check_context(path)


def check_context(dockerfile):
    """The build's context has every workspace member: Cargo reads all their manifests."""
    ignore = ROOT / ".dockerignore"
    let_in = {line[1:].strip("/") for line in ignore.read_text().splitlines() if line.startswith("!")}
    if ".ci" not in let_in:
        problem(dockerfile, ".dockerignore keeps .ci out, which builds what is shipped")
    members = re.search(r"members = \[(.*?)\]", (ROOT / "Cargo.toml").read_text(), re.S)
    for member in re.findall(r'"([^"]+)"', members[1]):
        if not any(member == folder or member.startswith(folder + "/") for folder in let_in):
            problem(dockerfile, f".dockerignore keeps {member} out of the build")


def check_unit(path):
    text = path.read_text()
    settings = dict(re.findall(r"^(\w+)=(.*)$", text, re.M))
    wanted = {"DynamicUser": "yes", "ProtectSystem": "strict", "NoNewPrivileges": "yes", "MemoryDenyWriteExecute": "no"}
    # EX_CONFIG, as proxy/src/main.rs has it.
    wanted["RestartPreventExitStatus"] = "78"
    for name, value in wanted.items():
        if settings.get(name) != value:
            problem(path, f"{name} must be {value}")
    for line in text.splitlines():
        if line and not re.match(r"(#|\[\w+\]$|\w+=)", line):
            problem(path, f"not a line of a unit: {line}")


def check_example(binary):
    config = DEPLOY / "compose/penstock.yaml"
    done = subprocess.run([binary, "check", "--config", config], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        problem(config, f"penstock check: {(done.stdout + done.stderr).strip()}")


def main():
    metrics = declared()
    if not metrics:
        problem(METRICS, "declares no metric")
    for path in sorted(DEPLOY.rglob("*.json")):
        check_dashboard(path, metrics)
    for path in sorted([*DEPLOY.rglob("*.yml"), *DEPLOY.rglob("*.yaml")]):
        check_yaml(path)
    check_alerts(DEPLOY / "prometheus/alerts.yml", metrics)
    check_dockerfile(DEPLOY / "docker/Dockerfile")
    check_unit(DEPLOY / "systemd/penstock.service")
    if len(sys.argv) > 1:
        check_example(sys.argv[1])
    for text in problems:
        print(text, file=sys.stderr)
    if not problems:
        print(f"deploy: {len(metrics)} metrics, dashboard, alerts, image and unit agree")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
