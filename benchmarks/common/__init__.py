"""What the scenarios share: workloads, the worker process, the interleaving runner, the report."""
