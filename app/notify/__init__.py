"""Who is told, in what order, and through what.

Holds the reporting chain, the pipeline that decides on each notice, its deliveries, their acknowledgements,
and the channels that carry them. The room never hears of incidents: it gets a reference and a text.
"""
