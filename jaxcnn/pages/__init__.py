"""Pages to look at: a report of a run, and a demo to try its network by hand."""
