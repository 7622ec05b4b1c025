"""The station against back ends that other people made: ``make acceptance``, never a part of the other tests.

Here live the products' desks (run by the product's own Python, which knows nothing of ours), the processes around them,
and the cases that every product plays. A product is installed on demand, from a package registry, beside our own
environment; nothing of it is kept in this repository.
"""
