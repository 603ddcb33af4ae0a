"""Files to banks and what banks say of them."""
