"""What providers tell us: taken in, refused, applied."""
