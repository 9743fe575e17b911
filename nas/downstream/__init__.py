"""Detection and segmentation on a backbone, and what the two share."""
