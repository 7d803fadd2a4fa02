"""Files: making and deleting small ones, allocating their blocks, reading cached ones."""

from collections.abc import Callable, Mapping

from micro.probes.declaration import Axis, Choice, Headline, Probe, powers_of_four
from runners.model.benchmark import Scalar
from runners.model.job import Promise

_LMBENCH = "lmbench, lat_fs (McVoy and Staelin 1996)"
_PARAMS = {
    "fs": Choice(("tmpfs", "temp"), usual=("tmpfs",), quick=("tmpfs",)),
    "size": Choice(("0", "1k", "4k", "10k"), usual=("0",), quick=("0",)),
}
_SHARED = ("pread", "pread_own", "pwrite", "pwrite_own", "open", "stat", "access", "fstat", "lseek")
_LINUX_NAMES = {
    "pread": "pread64",
    "pwrite": "pwrite64",
    "stat": "newfstatat",
    "access": "faccessat",
}
_PIECE_BYTES = 64 << 10  # what file.read reads at once
_READ = Axis(
    "size",
    (64 << 10, 4 << 20),
    quick=(64 << 10,),
    rigorous=powers_of_four(4 << 10, 64 << 20),
    kind="bytes",
    walks_caches=True,
)
_WHERE = (
    ", in one of 16 directories in turn, on a file system in memory (fs=tmpfs) or on that of "
    "temporary files (fs=temp; a session's facts name it as temp_fs), where the time depends on "
    "which files were deleted in the last seconds"
)


def _calls(**more: int) -> Callable[[Mapping[str, Scalar], int | None], Promise]:
    """Making a file, and what comes to it; an empty one is not written to."""

    def promised(params: Mapping[str, Scalar], level: int | None) -> Promise:
        write = {} if params["size"] == "0" else {"write": 1}
        return Promise({"openat": 1, **write, "close": 1, **more})

    return promised


def _shared(params: Mapping[str, Scalar], _level: int | None) -> Promise:
    call = str(params["call"]).removesuffix("_own")
    if call == "open":
        return Promise({"openat": 1, "close": 1})
    return Promise({_LINUX_NAMES.get(call, call): 1})


def _read(_params: Mapping[str, Scalar], level: int | None) -> Promise:
    return Promise({"pread64": -(-(level or 1) // _PIECE_BYTES)})


def _mapped(params: Mapping[str, Scalar], _level: int | None) -> Promise:
    return Promise({"mmap": 1, "munmap": 1} if params["mapping"] == "each" else {})


PROBES = (
    Probe(
        name="file.create",
        workload="cyext.file.files:Create",
        title="make a file",
        method="One operation is openat() with O_CREAT and O_EXCL, one write() of size bytes "
        f"unless the size is 0, and close(){_WHERE}; names have been used before, nothing is "
        "forced to a disk, and deleting is not timed.",
        source=_LMBENCH,
        params=_PARAMS,
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
        params=_PARAMS,
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
        params=_PARAMS,
        headlines=(Headline("make+delete file", "Files"),),
        promise=_calls(unlinkat=1),
    ),
    Probe(
        name="file.allocate",
        workload="cyext.file.allocation:Allocate",
        title="allocate a file's blocks",
        method="One operation is fallocate() of size bytes of an empty file in memory (a memfd), "
        "which gives it zeroed pages, and ftruncate() to 0, which takes them back.",
        source="will-it-scale, fallocate1 and fallocate2",
        least_effort="usual",
        axis=Axis(
            "size",
            (4 << 10, 1 << 20),
            quick=(4 << 10,),
            rigorous=powers_of_four(4 << 10, 128 << 20),
            kind="bytes",
        ),
        promise=Promise({"fallocate": 1, "ftruncate": 1}),
    ),
    Probe(
        name="file.read",
        workload="cyext.file.reading:Read",
        title="read a cached file",
        method="One operation is to read a file of size bytes in the temporary directory, all of "
        "which is in memory, from its start to its end by pread() of 64 KiB at a time.",
        source="lmbench, bw_file_rd (McVoy and Staelin 1996)",
        least_effort="usual",
        axis=_READ,
        bytes_per_op="level",
        promise=_read,
    ),
    Probe(
        name="file.read_mapped",
        workload="cyext.file.reading:ReadMapped",
        title="read a mapped file",
        method="One operation is to sum up, by a loop over vectors, the size bytes of a file in "
        "the temporary directory, all of which is in memory, from a shared mapping that stays "
        "(once), or with mmap() before, munmap() after and the page faults in between (each).",
        source="lmbench, bw_mmap_rd (McVoy and Staelin 1996)",
        least_effort="usual",
        params={"mapping": Choice(("once", "each"), usual=("once",), quick=("once",))},
        axis=_READ,
        bytes_per_op="level",
        promise=_mapped,
    ),
    Probe(
        name="file.shared",
        workload="cyext.file.shared:Shared",
        title="call on a file that all members of a team use",
        method="One operation is one call on a file that every member of a team has opened: "
        "pread() or pwrite() of its first 4 KiB (pread, pwrite) or of 4 KiB that no other member "
        "uses (pread_own, pwrite_own), openat() and close() (open), fstatat() or faccessat() by a "
        "name without directories (stat, access), fstat(), or lseek() alternately to 0 and 1; "
        "there is one member unless members says how many; the file is in memory (fs=tmpfs) or in "
        "the temporary directory (fs=temp).",
        source="will-it-scale, pread2, pread3, pwrite2, pwrite3, open3, stat2, access2, fstat2, "
        "lseek2",
        params={
            "call": Choice(_SHARED, usual=("pread", "pwrite", "open", "stat"), quick=("pread",)),
            "fs": _PARAMS["fs"],
        },
        least_effort="rigorous",
        promise=_shared,
    ),
)
