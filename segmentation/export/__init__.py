"""What a run writes: COCO files, label maps, overlay pictures and one HTML page to look at them."""
