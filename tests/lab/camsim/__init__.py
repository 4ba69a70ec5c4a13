"""Camera simulator of the lab: real H.264 and AAC over RTSP, every picture stamped with a counter.

Running it needs the standard library only (Python 3.11). `camsim.media` makes the loops it plays and needs PyAV.
It imports nothing of the product, so that product and simulator cannot agree on a mistake.
"""
