"""The clock: SimPy, the lanes and the order of a step."""
