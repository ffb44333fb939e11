"""Holds a README to its word: runs its shell blocks in an empty folder, checks its configurations."""

import os
import re
import shlex
import tempfile
from pathlib import Path

from steps import TARGET, Counts, StepFailed, run

FENCE = re.compile(r"^```(?:sh|bash|shell)\n(.*?)^```$", re.M | re.S)

YAML = re.compile(r"^```yaml\n(.*?)^```$", re.M | re.S)


def run_blocks(readme: Path) -> Counts:
    """All blocks in one shell, since a later one builds on an earlier one; the first line that fails ends it."""
    blocks = FENCE.findall(readme.read_text())
    if not blocks:
        raise StepFailed(f"{readme} has no shell block")
    # Outside the repository, or cargo would take the folder for a part of the workspace.
    with tempfile.TemporaryDirectory(prefix="penstock-readme-") as scratch:
        script = Path(scratch) / "blocks.sh"
        marked = [f"echo {shlex.quote(f'-- block {n} of {len(blocks)}')}\n{block}" for n, block in enumerate(blocks, 1)]
        script.write_text("set -euo pipefail\ncd empty\nset -v\n" + "\n".join(marked))
        (Path(scratch) / "empty").mkdir()
        path = f"{TARGET / 'release'}:{os.environ['PATH']}"
        run(["bash", script], log=f"readme-{readme.parent.name}", cwd=Path(scratch), env={"PATH": path})
    return Counts(passed=len(blocks))


def check_configurations(readme: Path) -> Counts:
    """`penstock check` has nothing against a README's YAML blocks. One without keys is a part, and is open to anyone."""
    blocks = YAML.findall(readme.read_text())
    if not blocks:
        raise StepFailed(f"{readme} has no YAML block")
    with tempfile.TemporaryDirectory(prefix="penstock-readme-") as scratch:
        # Paths in a configuration start at its own folder, which is the repository's for a reader.
        (Path(scratch) / "target").symlink_to(TARGET)
        for block in blocks:
            config = Path(scratch) / "penstock.yaml"
            config.write_text(block if "keys:" in block else f"{block}keys: anyone\n")
            secrets = {name: f"sk-{name.lower()}-0123456789" for name in re.findall(r"env:(\w+)", block)}
            run([TARGET / "release/penstock", "check", "--config", config], env=secrets)
    return Counts(passed=len(blocks))
