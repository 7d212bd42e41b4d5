"""What watches the service: the collector and the pages, their pieces by themselves, then as processes."""
