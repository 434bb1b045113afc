"""Devices and processes: the mesh, several processes as one program."""
