"""A process that has imported everything but the rules, and forks to test each mutant of them.

`python -m tests.bench.nest` in a copy of the project reads one line of JSON for each request,
{"arguments": [...], "seconds": limit}, and answers with one: {"code": ..., "text": ..., "worked":
seconds}. What a child imports it takes from the copy's files as they then stand. The twin's answers
are kept from run to run: the twin does not know the rules of the market, so no mutant moves it.
"""

import contextlib
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PYTEST = [
    "-q", "--tb=no", "--assert=plain", "-p", "no:cacheprovider", "-rfE", "-m", "not slow",
    "--hypothesis-profile=mutants",
]  # fmt: skip
UNTOUCHED = (
    "scipy.integrate", "scipy.linalg", "scipy.special", "scipy.stats", "simpy", "hypothesis.strategies",
    "simulator.scenario", "simulator.scenario.plan", "tests.oracles.twin",
)  # fmt: skip
TIMED_OUT = {-signal.SIGPROF, -signal.SIGALRM}
HANGS = 20  # seconds that may pass for one of work: machines are shared


class Nest:
    """The process, seen from outside."""

    def __init__(self, tree: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.nest"], cwd=tree, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip

    def run(self, arguments: list[str], *, seconds: float) -> tuple[int, str, float]:
        """Exit code and text of pytest with these arguments, and the seconds that it worked."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps({"arguments": arguments, "seconds": seconds}), file=self._process.stdin)
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["code"], answer["text"], answer["worked"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def serve() -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nobody else writes among the answers
    make_ready()
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            code, worked = fork(request["arguments"], request["seconds"], output.fileno())
            output.seek(0)
            answer = {"code": code, "text": output.read(), "worked": worked}
            print(json.dumps(answer), file=answers, flush=True)


def make_ready() -> None:
    """Import what no mutant changes, pytest and its plugins included."""
    import importlib

    import hypothesis
    import pytest

    for name in UNTOUCHED:
        importlib.import_module(name)
    keep_answers_of_the_twin(Path("twin"))
    found = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # and not made small
    hypothesis.settings.register_profile(
        "mutants", deadline=None, derandomize=True, database=None, phases=found,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        nothing = Path(folder, "test_nothing.py")
        nothing.write_text("def test_nothing():\n    pass\n")
        pytest.main([*PYTEST, "-qq", f"--rootdir={folder}", "-c", os.devnull, str(nothing)])
    mutable = [name for name in sys.modules if name.startswith("simulator.market")]
    if mutable:
        sys.exit(f"imported before the mutant: {', '.join(mutable)}")


def fork(arguments: list[str], seconds: float, output: int) -> tuple[int, float]:
    """Exit code of pytest in a child, minus the signal if one ended it, and how long it worked."""
    child = os.fork()
    if not child:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, HANGS * seconds)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = 3  # what pytest says of an error of its own
        try:
            import pytest

            code = int(pytest.main([*PYTEST, *arguments]))
            sys.stdout.flush()
        finally:
            os._exit(code)
    _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def keep_answers_of_the_twin(folder: Path) -> None:
    """Let the twin run once for each question that the tests ask."""
    from tests.oracles import twin

    run = twin.run_twin
    folder.mkdir(exist_ok=True)

    def remembered(scenario: Any, money: Any, packages: Any, **more: Any) -> Any:
        if more.keys() - {"commissions", "point"}:
            return run(scenario, money, packages, **more)
        question = json.dumps([scenario.model_dump(mode="json"), money, packages, more])
        file = (folder / hashlib.sha256(question.encode()).hexdigest()).resolve()
        if not file.exists():
            part = file.with_suffix(".part")
            part.write_bytes(pickle.dumps(run(scenario, money, packages, **more)))
            part.replace(file)
        return pickle.loads(file.read_bytes())

    twin.run_twin = remembered


if __name__ == "__main__":
    serve()
