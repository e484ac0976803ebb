"""FROM DATA: what a merchant knows sets what nobody can know."""
