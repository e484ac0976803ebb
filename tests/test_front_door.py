"""The front door opens fast, opens every room it names, and no other."""

import subprocess
import sys

import pytest

import simulator

HEAVY = {"numpy", "scipy", "pandas", "simpy", "matplotlib", "pydantic", "yaml", "click", "rich"}


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, encoding="utf-8", check=False
    )


def test_importing_loads_nothing_heavy():
    answer = run_python("-c", "import sys, simulator; dir(simulator); print(*sys.modules)")
    assert answer.returncode == 0, answer.stderr
    loaded = {name.split(".")[0] for name in answer.stdout.split()}
    assert "simulator" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("name", simulator.__all__)
def test_every_name_of_the_door_opens(name):
    assert getattr(simulator, name).__name__ == name
    assert name in dir(simulator)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'simulator' has no attribute 'simulat'"):
        _ = simulator.simulat


def test_the_module_is_the_command():
    answer = run_python("-m", "simulator", "--help")
    assert answer.returncode == 0, answer.stderr
    assert "Usage:" in answer.stdout
    assert answer.stderr == ""
