"""The tools of the numactl package: what they take, and what they print."""
