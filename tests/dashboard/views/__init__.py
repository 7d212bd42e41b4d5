"""Each page by itself, under AppTest."""
