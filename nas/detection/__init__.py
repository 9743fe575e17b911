"""Detection: COCO's data, Faster R-CNN and Mask R-CNN on backbones of ours, and their average precision."""
