"""Object detection: COCO data, networks, training and evaluation."""
