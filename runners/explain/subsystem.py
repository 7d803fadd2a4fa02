"""Which part of the kernel a function belongs to.

A running kernel tells a function's module, never its source path. Of what is built in, only the
name is known: its prefix is a guess, by the kernel's own habits of naming, and is labelled so.
"""

from __future__ import annotations

from runners.model.profile import Symbol

_GUESSED = {
    "network": "tcp udp ip ip6 inet inet6 sock unix skb dev net nf datagram neigh fib lock_sock "
    "release_sock __sock __inet __tcp __udp __skb",
    "files": "vfs do_filp path dentry d link_path lookup open do_dentry file fput fget fdget ext4 "
    "shmem simple inode iget iput alloc_fd close_fd filp getname putname pipe anon_inode __fput "
    "do_sys_openat2 complete_walk walk_component may_open terminate_walk step_into alloc_file "
    "alloc_empty_file __fget dput mntput __d set_root nd_jump",
    "waiting": "poll do_poll do_sys_poll do_select ep epoll __pollwait select eventfd",
    "memory": "mm handle_mm do_anonymous alloc_pages page folio vma mas mt mmap do_mmap munmap "
    "unmap zap free_pgtables free_pages clear_page copy_page lru rmap filemap mprotect tlb "
    "flush_tlb get_page __alloc_pages __folio __handle_mm dup_mm anon_vma copy_pte pte "
    "next_uptodate release percpu exc_page_fault do_user_addr_fault lock_vma",
    "kernel allocator": "kmem kmalloc kfree slab __slab __kmalloc __memcg memcg obj_cgroup refill",
    "processes": "copy_process dup_task do_exit wait do_wait release_task exit kernel_clone "
    "sched_fork begin_new_exec load_elf bprm exec sigprocmask signal send_signal pid alloc_pid",
    "scheduler": "schedule __schedule sched try_to_wake ttwu enqueue dequeue pick_next "
    "finish_task_switch update_curr update_load place_entity select_task_rq set_next wake "
    "__switch context_switch pick",
    "locks": "_raw_spin _raw_read _raw_write queued_spin native_queued mutex rwsem down up "
    "__mutex percpu_down percpu_up lockref",
    "entry and exit": "entry do_syscall syscall __x64_sys __se_sys __do_sys asm_ sysret irqentry "
    "exit_to_user ret_from x64_sys __x86 srso",
    "security": "security apparmor selinux bpf_lsm lsm cap",
    "RCU": "rcu __rcu call_rcu __call_rcu",
    "time": "ktime hrtimer tick clock timer read_tsc pvclock kvm_clock",
    "copying": "copy _copy __copy rep_movs rep_stos memcpy memset strncpy __check_object "
    "check_heap",
    "waiting for an interrupt": "default_idle pv_native_safe_halt native_safe_halt intel_idle "
    "acpi_idle cpuidle poll_idle do_idle",
}
_PREFIXES = sorted(
    ((prefix, name) for name, prefixes in _GUESSED.items() for prefix in prefixes.split()),
    key=lambda pair: -len(pair[0]),
)


def subsystem(symbol: Symbol) -> Symbol:
    """The part that a function belongs to, as a symbol of its own.

    A module or a mapped file is known; a part of the built-in kernel is guessed, and its name says
    so.
    """
    if symbol.where != "kernel":
        return Symbol(symbol.where, "module" if symbol.where.startswith("[") else "user code")
    if symbol.name.startswith("["):
        return symbol
    for prefix, name in _PREFIXES:
        rest = symbol.name[len(prefix) :]
        if symbol.name.startswith(prefix) and (not rest or rest[0] in "_.0123456789"):
            return Symbol(f"{name} (guessed by name)", "kernel")
    return Symbol("[built-in kernel code of unknown origin]", "kernel")
