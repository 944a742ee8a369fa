"""What a job or an evaluation comes to, as rows keep it and pages read it.

These dataclasses lie below everything: who computes them (the trainer, with TensorFlow, or the library, with rows) and
who shows them (the site) have nothing else in common.
"""
