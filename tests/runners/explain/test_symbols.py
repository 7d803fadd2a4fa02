"""Names of addresses: made-up kernels, real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.explain.subsystem import subsystem
from runners.explain.symbols import (
    FileSymbols,
    KernelSymbols,
    NoSymbols,
    Symbol,
    kernel_symbols,
    readable,
    symbol_of,
)

KALLSYMS = """\
ffffffff81000000 T _text
ffffffff81001000 t do_sys_poll
ffffffff81002000 T sock_poll
ffffffff81002800 d some_data
ffffffffa0000000 t nft_do_chain\t[nf_tables]
garbage
"""


@pytest.mark.parametrize(
    ("address", "label"),
    [
        (0xFFFFFFFF81001000, "do_sys_poll"),
        (0xFFFFFFFF81001FFF, "do_sys_poll"),
        (0xFFFFFFFF81002900, "sock_poll"),
        (0xFFFFFFFFA0000010, "nft_do_chain ([nf_tables])"),
        (0xFFFFFFFFB0000000, "[unknown kernel code]"),
        (0x1000, "[unknown kernel code]"),
    ],
)
def test_an_address_belongs_to_the_symbol_before_it(address: int, label: str) -> None:
    assert KernelSymbols(KALLSYMS.splitlines())[address].label == label


def test_hidden_addresses_name_the_setting() -> None:
    with pytest.raises(NoSymbols, match=r"CAP_SYSLOG, root, or kernel\.kptr_restrict=0"):
        KernelSymbols(["0000000000000000 T _text", "0000000000000000 T sock_poll"])


def test_a_kernel_without_symbols_says_what_it_takes(tmp_path: Path) -> None:
    with pytest.raises(NoSymbols, match="CONFIG_KALLSYMS"):
        kernel_symbols(tmp_path / "kallsyms")


def test_a_function_of_a_compiled_module_is_named_as_in_its_source() -> None:
    assert (
        readable("__pyx_f_5cyext_4core_8workload_8Workload_slowed_batch")
        == "cyext.core.workload.Workload.slowed_batch"
    )
    assert readable("malloc@@GLIBC_2.2.5") == "malloc"


@pytest.mark.parametrize("data", [b"", b"\x7fELF\x02\x01", b"\x7fELF\x02\x01" + b"\xff" * 100])
def test_a_file_that_is_no_elf_has_no_symbols(data: bytes) -> None:
    assert FileSymbols(data).at(0) is None


def test_code_without_a_symbol_is_told_by_its_file() -> None:
    kernel = KernelSymbols(KALLSYMS.splitlines())
    assert symbol_of(["/no/such/file.so", 17], kernel) == Symbol("[no symbol]", "file.so")
    assert symbol_of("exit", kernel) == Symbol("[user code]", "exit")


def test_a_guessed_origin_is_called_a_guess() -> None:
    assert "guessed" in subsystem(Symbol("tcp_sendmsg", "kernel")).name
    assert subsystem(Symbol("nft_do_chain", "[nf_tables]")).name == "[nf_tables]"
    assert "unknown" in subsystem(Symbol("frobnicate", "kernel")).name
    assert "unknown" in subsystem(Symbol("ipfrob", "kernel")).name
