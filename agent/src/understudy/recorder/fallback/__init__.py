"""Cameras that our own ingest does not speak with: PyAV, in a process of its own for each of them.

`relay.py` is this process's end, `source.py` and `__main__.py` the other's. What goes between is what a camera with
RTSP over TCP sends: one message that describes the streams, then interleaved RTP packets, so that ring, takeover and
healing know no difference. The other process may crash or hang: that is a lost connection of this camera.
"""
