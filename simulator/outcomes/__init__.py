"""What happened: the ledger, the metrics and how plans compare."""
