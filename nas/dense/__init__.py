"""What detection and segmentation share: training in iterations, its schedule, checkpoints and continuation."""
