"""tools/manifests."""
