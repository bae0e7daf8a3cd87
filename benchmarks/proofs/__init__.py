"""Faults, netlists and other machines: is what is claimed so?"""
