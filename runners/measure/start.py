"""Start a worker: ``python -I -S start.py MODULE ORDER``.

ORDER is a dictionary, marshalled and in hexadecimal; ``MODULE.work(ORDER)`` carries it out. Python
compiles a program at every start and an imported module only once, so this program is short. It
reads no JSON: importing `json` takes longer than everything else a worker imports.
"""

import _signal  # type: ignore[import-not-found] # of `signal`, what is loaded anyhow
import marshal
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)  # isolated mode leaves it out

from runners.measure.lean import import_module, offer_to_oom_killer  # noqa: E402


def main() -> int:
    """Carry out the order, unless the process that gave it has ended."""
    module, order = sys.argv[1], marshal.loads(bytes.fromhex(sys.argv[2]))
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())  # inherited: peers are woken by signals
    os.environ.pop("LD_PRELOAD", None)  # done: no program that a probe starts shall load it again
    parent = order.get("parent")
    if parent is not None:
        import_module("cyext.core.peers").die_with_parent()
        if os.getppid() != parent:
            return 1
    offer_to_oom_killer()
    import_module(module).work(order)
    return 0


if __name__ == "__main__":
    os._exit(main())  # everything was given back: taking the interpreter apart would take a while
