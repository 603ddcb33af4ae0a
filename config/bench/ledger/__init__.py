"""The benchmark of the books: our own figures beside references of the same run, on the same server."""
