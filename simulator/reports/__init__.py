"""To a reader: figures and tables drawn from outcomes."""
