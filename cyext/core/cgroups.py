"""Where this process stands among Linux' control groups (cgroups), of either version."""

from collections.abc import Iterator

#: Groups above one another that are looked at.
MOST_LEVELS = 64


def folders(controller: str, text: str) -> Iterator[tuple[int, str]]:
    """The folders of a process's group and of all above it, each with its hierarchy's version.

    ``text`` is /proc/self/cgroup; the folders are relative to the root directory, and need not
    exist: a container may see its own group as the top, whatever the text says.
    """
    for line in text.split("\n"):
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        parts = [part for part in path.split("/") if part]
        outside = not path or ".." in parts  # not of what this namespace shows
        if outside or (controllers and controller not in controllers.split(",")):
            continue
        # A hybrid system has version 2 aside.
        for mount in (controllers, controller) if controllers else (".", "unified"):
            for depth in range(min(len(parts), MOST_LEVELS), -1, -1):
                yield 1 if controllers else 2, "/".join(["sys/fs/cgroup", mount, *parts[:depth]])
