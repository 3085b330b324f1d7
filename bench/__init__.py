"""What this costs, beside the physical limit and what people would use instead: measured in one interleaved run, stated as ratios.

``python -m bench [NAME...] [--quick] [--json FILE] [--plot DIR]``; every figure has the limit or the peer it is compared with in
the same run. Durations never gate anything: counts do, in ``tests/unit/files/test_costs.py``.
"""
