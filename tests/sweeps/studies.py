"""A small study in files of its own, and what a store holds."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.worlds import SCENARIOS

ROOT = SCENARIOS.parent
BRIEF = f"""
extends: [{SCENARIOS / "minimal.yaml"}]
calendar: {{sales_after_days: 8, phases: {{normal: {{start: 2021-03-20}}, sale: {{clock: 6h}}}}}}
commerce: {{refund_slow_days: 2}}
"""
STUDY = """
scenarios: [brief]
plans: [half_half]
over:
  budget: [40k, 60k]
  slots.search_words.median_cpm: {from: 60, to: 90, steps: 4}
replications: 3
metrics: [roi, profit, new_customers]
"""
PARTS = 8
MAIN = "import sys; from simulator.cli import main; sys.exit(main())"


def write_study(folder: Path, text: str = STUDY) -> Path:
    """The study's file, beside the scenario that it speaks of."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "brief.yaml").write_text(BRIEF, encoding="utf-8")
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def parts_in(store: Path) -> dict[str, bytes]:
    """Every part by its name."""
    folder = store / "parts"
    return {p.name: p.read_bytes() for p in sorted(folder.glob("*.parquet"))}


def start(study: Path, store: Path, *more: str, code: str = MAIN) -> subprocess.Popen[str]:
    """`adsim sweep` as a process of its own, in this environment."""
    command = [sys.executable, "-c", code, "sweep", str(study), "--store", str(store), *more]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], seconds: float = 120) -> tuple[int, str, str]:
    """Exit code, stdout and stderr; a process that hangs is killed."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    return process.returncode, out, err


def wait_for_parts(store: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Until a store has so many parts, or the process has ended."""
    while process.poll() is None and len(list(store.glob("parts/*.parquet"))) < count:
        time.sleep(0.002)
