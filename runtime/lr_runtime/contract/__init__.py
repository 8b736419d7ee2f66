"""What a model takes and gives: the record inside every file of linedge, and the checkpoint's layout."""
