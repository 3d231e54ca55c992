"""Tests of the checks, the alignment and the annotation of data sets."""
