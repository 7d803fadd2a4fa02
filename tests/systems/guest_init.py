"""The first and only program of the guest that `qemu.py` boots: set the system up, run micro, end.

``/order.json`` holds micro's arguments, the folder to run it in, Python's path, and the name of the
serial port through which the session file goes out, whole. Standard output is the console.
"""

import ctypes
import fcntl
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import time
import tty

SCRATCH = "/scratch"
SESSION = f"{SCRATCH}/session.json"
MOUNTS = (
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/dev/shm"),
    ("tmpfs", SCRATCH),
)
#: What systemd gives every program; a bare kernel gives 4096.
DESCRIPTORS = 524_288
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
POWER_OFF = 0x4321FEDC


def set_up(libc: ctypes.CDLL) -> None:
    """What every distribution's start-up does: file systems, limits, the loopback interface."""
    for kind, folder in MOUNTS:
        os.makedirs(folder, exist_ok=True)
        if libc.mount(kind.encode(), folder.encode(), kind.encode(), 0, None) != 0:
            print(f"cannot mount {kind}: {os.strerror(ctypes.get_errno())}", flush=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, DESCRIPTORS))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as interfaces:
        flags = fcntl.ioctl(interfaces, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        up = struct.unpack("16sh14x", flags)[1] | IFF_UP
        fcntl.ioctl(interfaces, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", up))


def hand_out(path: str, serial: str) -> None:
    """Send a file through a serial port."""
    with open(f"/dev/{serial}", "wb", buffering=0) as port, open(path, "rb") as file:
        tty.setraw(port.fileno())
        while chunk := file.read(4096):
            while chunk:
                chunk = chunk[port.write(chunk) :]
        fcntl.ioctl(port, 0x5409, 1)  # TCSBRK: until all of it has left


def main() -> None:
    """Set up, run micro, hand out, power off."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        set_up(libc)
        with open("/order.json", encoding="utf-8") as file:
            order = json.load(file)
        environment = {"HOME": SCRATCH, "TMPDIR": SCRATCH, "LC_ALL": "C.UTF-8", "COLUMNS": "100"}
        environment["PYTHONPATH"] = os.pathsep.join(order["path"])
        started = time.monotonic()
        command = [sys.executable, "-m", "micro", *order["arguments"]]
        if order["arguments"][0] in ("all", "run"):
            command += ["-q", "-o", SESSION]
            code = subprocess.call(command, env=environment, cwd=order["folder"])
        else:
            with open(SESSION, "wb") as out:
                code = subprocess.call(command, env=environment, cwd=order["folder"], stdout=out)
        print(f"micro ended with {code} after {time.monotonic() - started:.0f} s", flush=True)
        hand_out(SESSION, order["port"])
    except BaseException as error:
        print(f"init: {type(error).__name__}: {error}", flush=True)
    finally:
        libc.reboot(POWER_OFF)


if __name__ == "__main__":
    main()
