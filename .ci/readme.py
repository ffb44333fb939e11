"""Runs the shell blocks of a README word for word, in an empty folder, as a reader would paste them."""

import os
import re
import shlex
import tempfile
from pathlib import Path

from steps import TARGET, Counts, StepFailed, run

FENCE = re.compile(r"^```(?:sh|bash|shell)\n(.*?)^```$", re.M | re.S)


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
