"""Minute bars of the market: readers and checks of files, derived crosses, a synthetic market.

Bars come in through `readers` and leave as `include.features.bars.Bars`, in UTC, labelled by open
time. A file that breaks one rule is refused as a whole; nothing is repaired silently.
"""
