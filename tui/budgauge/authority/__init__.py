"""Authorities: the deciders on spending."""
