"""Files: making and deleting small ones."""

from collections.abc import Callable, Mapping

from micro.probes.declaration import Choice, Headline, Probe
from runners.model.benchmark import Scalar
from runners.model.job import Promise

_LMBENCH = "lmbench, lat_fs (McVoy and Staelin 1996)"
_WHERE = (
    ", in one of 16 directories in turn on the file system of temporary files (temp_fs among a "
    "session's facts)"
)


def _sizes(*usual: str) -> Choice:
    return Choice(("0", "1k", "4k", "10k"), usual=usual, quick=("0",))


def _calls(**more: int) -> Callable[[Mapping[str, Scalar], int | None], Promise]:
    """Making a file, and what comes to it; an empty one is not written to."""

    def promised(params: Mapping[str, Scalar], level: int | None) -> Promise:
        write = {} if params["size"] == "0" else {"write": 1}
        return Promise({"openat": 1, **write, "close": 1, **more})

    return promised


PROBES = (
    Probe(
        name="file.create",
        workload="cyext.file.files:Create",
        title="make a file",
        method="One operation is openat() with O_CREAT and O_EXCL, one write() of size bytes "
        f"unless the size is 0, and close(){_WHERE}; names have been used before, nothing is "
        "forced to a disk, and deleting is not timed.",
        source=_LMBENCH,
        params={"size": _sizes("0", "10k")},
        least_effort="usual",
        promise=_calls(),
    ),
    Probe(
        name="file.delete",
        workload="cyext.file.files:Delete",
        title="delete a file",
        method=f"One operation is unlinkat() of a file of size bytes{_WHERE}; nothing is forced to "
        "a disk, and making the file is not timed.",
        source=_LMBENCH,
        params={"size": _sizes("0", "10k")},
        least_effort="usual",
        promise=Promise({"unlinkat": 1}),
    ),
    Probe(
        name="file.create_delete",
        workload="cyext.file.files:CreateDelete",
        title="make and delete a file",
        method="One operation is openat() with O_CREAT and O_EXCL, one write() of size bytes "
        f"unless the size is 0, close() and unlinkat(){_WHERE}; names have been used before, and "
        "nothing is forced to a disk.",
        source="will-it-scale, unlink1",
        params={"size": _sizes("0")},
        promise=_calls(unlinkat=1),
        headlines=(Headline("create+delete", "Files"),),
    ),
)
