"""The demonstration: one night's incident, from the monitoring's alarm to the published review, on a service that really runs.

Each line it prints comes from an answer of the service or from a request that arrived; what does not happen in time ends it.
It never plays on a service that knows people: they would be called.
"""
