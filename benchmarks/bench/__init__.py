"""The benchmarks: our recorder beside its peers, in one run on one simulator. See docs/benchmarks.md."""
