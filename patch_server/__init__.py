"""Files, their patches, and who may have them."""
