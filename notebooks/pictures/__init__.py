"""Pictures that stand alone, a file each; they take plain rows or frames.

To import them lets every altair chart in this kernel be shown as they are (`rendering.py`). Read `look.py` next:
colours, sizes, titles.
"""

from notebooks.pictures.breaker_strip import breaker_strip
from notebooks.pictures.bucket_levels import bucket_levels
from notebooks.pictures.histogram import histogram
from notebooks.pictures.rendering import enable
from notebooks.pictures.sources_over_time import sources_over_time
from notebooks.pictures.stream_lanes import stream_lanes
from notebooks.pictures.swim_lanes import swim_lanes
from notebooks.pictures.waterfall import waterfall

__all__ = [
    "breaker_strip",
    "bucket_levels",
    "histogram",
    "sources_over_time",
    "stream_lanes",
    "swim_lanes",
    "waterfall",
]

enable()
