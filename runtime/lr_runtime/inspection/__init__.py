"""The description of any file of linedge, and the self-test of a model on its golden rows."""
