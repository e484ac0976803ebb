"""The question: what a scenario file and a plan say, read and checked."""
