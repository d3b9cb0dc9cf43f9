"""Benchmarks: the same job through us, through ffmpeg and through moviepy, side by side.

Run ``python -m benchmarks --help`` from the top folder; README.md says what is measured.
"""
