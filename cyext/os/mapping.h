/* Anonymous buffers and file mappings. */
#ifndef MICRO_OS_MAPPING_H
#define MICRO_OS_MAPPING_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

#define MICRO_HUGE_PAGE_BYTES ((size_t)2 << 20)

/* A touched private buffer, aligned to a huge page and advised to use them, so that neither the
 * place of 4 KiB pages in physical memory nor TLB misses differ between two runs. NULL on failure,
 * with errno. Free with munmap(*base, *length). */
static inline void *micro_buffer(size_t bytes, void **base, size_t *length)
{
    *length = bytes + MICRO_HUGE_PAGE_BYTES;
    *base = mmap(NULL, *length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*base == MAP_FAILED) {
        *base = NULL;
        return NULL;
    }
    uintptr_t start = ((uintptr_t)*base + MICRO_HUGE_PAGE_BYTES - 1)
        / MICRO_HUGE_PAGE_BYTES * MICRO_HUGE_PAGE_BYTES;
#ifdef MADV_HUGEPAGE
    madvise((void *)start, (bytes + MICRO_HUGE_PAGE_BYTES - 1)
            / MICRO_HUGE_PAGE_BYTES * MICRO_HUGE_PAGE_BYTES, MADV_HUGEPAGE);
#endif
    memset((void *)start, 1, bytes);
    return (void *)start;
}

/* Zeroed memory that stays the same memory in forked children. NULL on failure, with errno. */
static inline void *micro_shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Map one page of a file for reading. The address, or 0 with errno set. */
static inline uintptr_t micro_map_page(int fd, int64_t offset, size_t page_bytes)
{
    void *page = mmap(NULL, page_bytes, PROT_READ, MAP_SHARED, fd, (off_t)offset);
    return page == MAP_FAILED ? 0 : (uintptr_t)page;
}

/* The first read of a page: one byte, which the compiler may not drop. */
static inline void micro_touch(uintptr_t address)
{
    (void)*(volatile const char *)address;
}

#endif
