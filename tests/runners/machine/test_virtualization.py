from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from planted_system import (
    CLOCK,
    FIRST,
    HOST,
    X86,
    Files,
    Plant,
    set_uname,
)

from runners.machine.environment import describe

pytestmark = pytest.mark.usefixtures("named_linux")


@pytest.mark.parametrize(
    ("cpuinfo", "model"),
    [
        (X86.format("") * 2, "AMD EPYC 9R14"),
        ("model name : AMD Ryzen 5 PRO 2500U w/ Radeon @ 2.0GHz", None),
        ("CPU implementer : 0x41\nCPU part : 0xd0c\n" * 4, "implementer 0x41 part 0xd0c"),
        ("CPU implementer : 0x00\nCPU part : 0x051\n" * 2, "QEMU, implementer 0x00 part 0x051"),
        (
            "CPU implementer : 0x41\nCPU part : 0xd05\nCPU implementer : 0x41\nCPU part : 0xd0b\n",
            "implementer 0x41 part 0xd05 + implementer 0x41 part 0xd0b",
        ),
        ("cpu\t\t: POWER9, altivec supported\n", "POWER9, altivec supported"),
    ],
)
def test_cpu_model(plant: Plant, cpuinfo: str, model: str | None) -> None:
    expected = model or cpuinfo.partition(": ")[2]
    assert describe(plant({"proc/cpuinfo": cpuinfo}))["cpu_model"] == expected


def test_a_cpu_that_the_system_does_not_name_is_asked(
    monkeypatch: pytest.MonkeyPatch, plant: Plant
) -> None:
    monkeypatch.setitem(
        sys.modules, "cyext.core.processor", SimpleNamespace(cpu_name=lambda: "AMD EPYC")
    )
    facts = describe(plant({"proc/cpuinfo": "vendor_id\t: AuthenticAMD\nmodel name\t: unknown\n"}))
    assert facts["cpu_model"] == "AMD EPYC"


def dmi(vendor: str, product: str) -> dict[str, str]:
    folder = "sys/class/dmi/id"
    return {f"{folder}/sys_vendor": vendor + "\n", f"{folder}/product_name": product + "\n"}


GUEST = {"proc/cpuinfo": X86.format("hypervisor")}
METAL = {"proc/cpuinfo": X86.format("")}
CLOCKS = f"{CLOCK}/available_clocksource"
DSDT = "sys/firmware/acpi/tables/DSDT"
FIRECRACKER_DEVICE = "sys/bus/acpi/devices/FCVMGID:00/hid"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"proc/cpuinfo": "processor : 0\n"}, None),
        (METAL, "none"),
        (METAL | dmi("LENOVO", "20XW") | {CLOCKS: "tsc hpet acpi_pm"}, "none"),
        (METAL | dmi("Microsoft Corporation", "Surface Laptop"), "none"),
        (METAL | dmi("Amazon EC2", "m5.metal"), "none"),
        (METAL | dmi("Amazon EC2", "c8g.metal-24xl"), "none"),
        (METAL | dmi("Google", "Google Compute Engine"), "none"),
        (METAL | dmi("Xenith", "Xenon 9") | {CLOCKS: "tsc xenon"}, "none"),
        (GUEST, "hypervisor"),
        (GUEST | {"sys/hypervisor/type": "xen\n"}, "xen"),
        (GUEST | dmi("Xen", "HVM domU"), "xen"),
        (GUEST | dmi("Microsoft Corporation", "Virtual Machine"), "hyperv"),
        (GUEST | {CLOCKS: "hyperv_clocksource_tsc_page tsc"}, "hyperv"),
        (GUEST | dmi("VMware, Inc.", "VMware7,1"), "vmware"),
        (GUEST | dmi("innotek GmbH", "VirtualBox") | {CLOCKS: "kvm-clock tsc"}, "virtualbox"),
        (GUEST | dmi("QEMU", "Standard PC (Q35 + ICH9, 2009)"), "qemu"),
        (GUEST | dmi("QEMU", "Standard PC (Q35 + ICH9, 2009)") | {CLOCKS: "kvm-clock tsc"}, "kvm"),
        (GUEST | dmi("Red Hat", "KVM"), "kvm"),
        (GUEST | dmi("Google", "Google Compute Engine") | {CLOCKS: "kvm-clock tsc"}, "kvm"),
        (dmi("Amazon EC2", "c7g.large"), "kvm"),
        (dmi("QEMU", "KVM Virtual Machine"), "kvm"),
        (GUEST | {DSDT: b"DSDT\x53\x0f\0\0\x02wFIRECKFCVMDSDT"}, "firecracker"),
        (GUEST | {DSDT: b"DSDT\x53\x0f\0\0\x02wBOCHS BXPC    ", CLOCKS: "kvm-clock"}, "kvm"),
        (GUEST | {FIRECRACKER_DEVICE: "FCVMGID\n", CLOCKS: "kvm-clock"}, "firecracker"),
    ],
)
def test_virtualization(plant: Plant, files: Files, expected: str | None) -> None:
    assert describe(plant(files)).get("virtualization") == expected


def test_a_missing_flag_means_nothing_on_arm(monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    set_uname(monkeypatch, machine="aarch64")
    root = plant({"proc/cpuinfo": "flags : fp asimd\nCPU implementer : 0x41\nCPU part : 0xd0c\n"})
    assert "virtualization" not in describe(root)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({".dockerenv": ""}, "docker"),
        ({"run/.containerenv": ""}, "podman"),
        ({"run/secrets/kubernetes.io/token": "", ".dockerenv": ""}, "kubernetes"),
        ({"run/systemd/container": "lxc\n"}, "lxc"),
        ({"proc/1/environ": "PATH=/bin\0container=podman\0TERM=x\0"}, "podman"),
        ({"proc/1/environ": "mycontainer=podman\0"}, None),
        ({"run/systemd/container": f"{HOST}\n"}, None),
    ],
)
def test_container(plant: Plant, files: Files, expected: str | None) -> None:
    assert describe(plant(files)).get("container") == expected


def test_an_image_that_boots_as_a_machine_is_no_container(plant: Plant) -> None:
    root = plant({".dockerenv": ""})
    (root / "proc/self/ns").mkdir(parents=True)
    for name, target in FIRST.items():
        (root / "proc/self/ns" / name).symlink_to(target)
    assert "container" not in describe(root)
    (root / "proc/self/ns/uts").unlink()
    (root / "proc/self/ns/uts").symlink_to("uts:[4026532577]")
    assert describe(root)["container"] == "docker"
