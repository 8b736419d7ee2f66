"""What a fit is asked to make of the columns: a specification of terms, from options or from a formula."""
