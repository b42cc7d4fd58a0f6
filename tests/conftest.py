"""Hypothesis: the same examples at every run, so that a run speaks of the change and not of chance.

``pytest --hypothesis-profile=search`` draws new ones.
"""

from hypothesis import settings

settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, derandomize=False, print_blob=True)
settings.load_profile("fixed")
