"""Money back to the payer: asked for, approved, carried out, adopted, failed and renewed."""
