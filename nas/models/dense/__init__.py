"""Dense computation of stages whose stride would be too large for segmentation."""
