"""Fragmented MP4 as we write it: one file per elementary stream, self-describing, whole up to its last part."""
