"""`make mutants`: small changes of the code, one at a time, to see whether a test fails for each."""
