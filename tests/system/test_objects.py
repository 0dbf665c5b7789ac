"""Libraries that only some services need stay out of tcpd: they are linked into objects of their own,
which call nothing of the program that loads them."""

import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ["TCPD_BUILD"])
OF_WEBSOCKET = {"libmd.so.0"}


def needed(path):
    """The libraries that an object names."""
    lines = subprocess.check_output(["readelf", "-dW", path], text=True).splitlines()
    return {line.split("[")[1].rstrip("]") for line in lines if "(NEEDED)" in line}


@pytest.mark.parametrize("program", ["tcpd", "tcpc", "tcpdctl", "tcpd-generator"])
def test_programs_are_plain(program):
    assert not needed(BUILD / program) & OF_WEBSOCKET


def test_websocket_has_its_libraries():
    assert OF_WEBSOCKET <= needed(BUILD / "private/websocket.so")


def test_websocket_needs_no_program():
    names = subprocess.check_output(["nm", "-D", "--undefined-only", BUILD / "private/websocket.so"],
                                    text=True)
    assert not [name for name in names.split() if name.startswith("tcpd_")]
