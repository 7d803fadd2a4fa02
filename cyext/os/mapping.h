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

#ifdef MADV_NOHUGEPAGE
#define MICRO_ASKS_FOR_PAGES 1
#define MICRO_HUGE_PAGES MADV_HUGEPAGE
#define MICRO_SMALL_PAGES MADV_NOHUGEPAGE
#else
#define MICRO_ASKS_FOR_PAGES 0
#define MICRO_HUGE_PAGES 0
#define MICRO_SMALL_PAGES 0
#endif

/* A touched private buffer, aligned to a huge page and advised to have pages of the kind `advice`:
 * with huge ones neither the place of 4 KiB pages in physical memory nor TLB misses differ between
 * two runs. NULL on failure, with errno. Free with munmap(*base, *length). */
static inline void *micro_advised_buffer(size_t bytes, int advice, void **base, size_t *length)
{
    const size_t whole =
        (bytes + MICRO_HUGE_PAGE_BYTES - 1) / MICRO_HUGE_PAGE_BYTES * MICRO_HUGE_PAGE_BYTES;
    *length = whole + MICRO_HUGE_PAGE_BYTES;
    *base = mmap(NULL, *length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*base == MAP_FAILED) {
        *base = NULL;
        return NULL;
    }
    uintptr_t start = ((uintptr_t)*base + MICRO_HUGE_PAGE_BYTES - 1)
        / MICRO_HUGE_PAGE_BYTES * MICRO_HUGE_PAGE_BYTES;
#if MICRO_ASKS_FOR_PAGES
    madvise((void *)start, whole, advice);
#else
    (void)advice;
#endif
    memset((void *)start, 1, bytes);
    return (void *)start;
}

/* Give a buffer's pages back and touch new ones, which the system takes from near this CPU. */
static inline void micro_touch_here(void *buffer, size_t bytes)
{
    madvise(buffer, bytes, MADV_DONTNEED);
    memset(buffer, 1, bytes);
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
