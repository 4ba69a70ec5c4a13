"""The faults of the list in the lab: scenarios as data and small functions, a runner, audits, figures, a page."""
