"""A prompt on a model machine, in the words that everybody knows.

``machine`` boots, ``files`` is what /proc and /sys show of it, ``line`` takes a command line apart, ``commands`` runs it, and
``session`` goes through a script or talks to a person.
"""
