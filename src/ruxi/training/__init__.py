"""Training: recipes, packing, objectives, the trainer, folds and search.

Importing the parts imports torch and transformers; the package itself imports nothing.
"""
