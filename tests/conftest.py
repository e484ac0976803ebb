"""What holds for every test: hypothesis takes its time, and tries the same examples every time.

`pytest --hypothesis-profile=explore` looks for new counterexamples instead. Ctrl-C is heard also where
the shell that started pytest has it ignored, as for jobs in the background.
"""

import signal

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow]  # machines are shared

settings.register_profile(
    "house", deadline=None, derandomize=True, print_blob=True, suppress_health_check=SLOW
)
settings.register_profile(
    "explore", deadline=None, max_examples=1000, print_blob=True, suppress_health_check=SLOW
)
settings.load_profile("house")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
