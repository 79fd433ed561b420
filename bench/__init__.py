"""The benchmark suite: ``make bench`` measures this machine and writes JSON, Markdown and plots.

Every figure is the median of several repetitions, with its spread; ratios are taken between figures of one run.
"""
