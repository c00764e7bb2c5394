"""Tests of `verify`, on the stand-in's clusters behind a gateway on loopback."""
