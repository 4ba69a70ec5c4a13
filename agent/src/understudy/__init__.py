"""Understudy: automatic failover for IP-video recording servers."""

__version__ = "0.1.0"
