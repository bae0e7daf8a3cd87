"""Slow measurements that print tables; run each as a module: ``python -m benchmarks.ROOM.NAME``."""
