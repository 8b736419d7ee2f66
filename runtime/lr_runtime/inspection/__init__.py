"""What any file of linedge says of itself, and whether it still gives its golden rows."""
