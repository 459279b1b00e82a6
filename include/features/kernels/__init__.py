"""Compiled kernels. Every rolling value is computed from the bars of its own window alone.

No running sums: nothing drifts, nothing depends on where an array starts or ends, and a jump that
has left the window has left the result. The order of all additions is written in the source (no
fast-math), so results are the same bits on every machine. Kernels get their speed from working on
blocks of rows with the loop over lags outside, which the compiler turns into vector code.
"""
