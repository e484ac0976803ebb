"""WHAT TO DO: which split of the budget brings the most, and what the next yuan should do."""
