"""What the memory allows: the traffic of a dense step on working sets from L1 to DRAM."""

from benchmarks.bandwidth.probe import working_set_bytes
from benchmarks.common.protocol import Scenario

SCENARIO = Scenario(
    name="bandwidth",
    title="one read pass, then one read-modify-write pass over a buffer (3 x its bytes)",
    workloads=("16KB", "128KB", "400KB", "1MB", "4MB", "16MB", "38MB", "128MB"),
    competitors=("probe",),
    seconds_per_round=0.05,
    rounds=7,
    unit="GB/s",
    bytes_per_call=lambda workload: 3.0 * working_set_bytes(workload),
)
