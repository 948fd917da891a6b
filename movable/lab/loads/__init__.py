"""Workloads by name: what ages a machine's memory, step by step, with numbers after each step, and sweeps of many such runs.

``bench`` is the machine with those who use it, ``shapes`` the workloads, ``samples`` the numbers, ``sweep`` plans and runs many,
``show`` prints and writes them.
"""
