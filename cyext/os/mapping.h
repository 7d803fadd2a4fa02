/* Anonymous buffers and file mappings. */
#ifndef MICRO_OS_MAPPING_H
#define MICRO_OS_MAPPING_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif
#ifndef MAP_NORESERVE   /* as on FreeBSD, which reserves nothing for what is not written to */
#define MAP_NORESERVE 0
#endif

#if defined(__linux__) && !defined(MADV_COLLAPSE)
#define MADV_COLLAPSE 25   /* newer than many a C library's headers */
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

/* Room for a private buffer, aligned to a huge page and advised to have pages of the kind `advice`:
 * with huge ones neither the place of 4 KiB pages in physical memory nor TLB misses differ between
 * two runs. NULL on failure, with errno. Free with munmap(*base, *length). */
static inline void *micro_advised_room(size_t bytes, int advice, void **base, size_t *length)
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
    return (void *)start;
}

/* The same, touched. */
static inline void *micro_advised_buffer(size_t bytes, int advice, void **base, size_t *length)
{
    void *const start = micro_advised_room(bytes, advice, base, length);
    return start ? memset(start, 1, bytes) : NULL;
}

/* Pages of the size that was asked for, whatever the system would choose by itself; 0 or -errno.
 * A kernel without transparent huge pages knows no such advice, and needs none for small ones. */
static inline int micro_advise_pages(void *start, size_t length, int huge)
{
#ifdef MADV_HUGEPAGE
    if (madvise(start, length, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0)
        return huge || errno != EINVAL ? -errno : 0;
    return 0;
#else
    (void)start, (void)length;
    return huge ? -ENOSYS : 0;
#endif
}

/* Fresh untouched pages that begin at a multiple of the huge page, inside a larger reservation. */
typedef struct {
    void *base;   /* NULL: nothing is mapped */
    size_t length;
    uintptr_t start;
} micro_region_t;

/* 0, or -errno: then with nothing unmapped that was mapped before. */
static inline int micro_unmap_region(micro_region_t *region)
{
    if (region->base && munmap(region->base, region->length) != 0)
        return -errno;
    region->base = NULL;
    return 0;
}

/* Map `bytes` of a file, or of no file, to be read and written, by mmap's `flags`. 0, or -errno with
 * the failed call's name and nothing mapped. Always inlined: what one caller asks for must not change
 * another's code. */
static inline __attribute__((always_inline)) int micro_map_region_as(micro_region_t *region, int flags, int fd, size_t bytes,
                                      int huge, const char **call)
{
    int status = 0;
    *call = "mmap";
    region->length = bytes + MICRO_HUGE_PAGE_BYTES;
    region->base = mmap(NULL, region->length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region->base == MAP_FAILED) {
        region->base = NULL;
        return -errno;
    }
    region->start = ((uintptr_t)region->base + MICRO_HUGE_PAGE_BYTES - 1)
        / MICRO_HUGE_PAGE_BYTES * MICRO_HUGE_PAGE_BYTES;
    if (mmap((void *)region->start, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0)
        == MAP_FAILED) {
        status = -errno;
    } else {
        *call = "madvise";
        status = micro_advise_pages((void *)region->start, bytes, huge);
    }
    if (status)
        micro_unmap_region(region);
    return status;
}

/* The same, private and anonymous, or, where fd is a file's, the shared start of the file. */
static inline int micro_map_region(micro_region_t *region, int fd, size_t bytes, int huge,
                                   const char **call)
{
    return micro_map_region_as(region, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, bytes,
                               huge, call);
}

/* Minor page faults of this thread, or of the process where threads are not told apart. */
static inline int64_t micro_minor_faults(void)
{
    struct rusage usage;
#ifdef RUSAGE_THREAD
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? (int64_t)usage.ru_minflt : 0;
#else
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_minflt : 0;
#endif
}

/* Zeroed memory that stays the same memory in forked children. NULL on failure, with errno. */
static inline void *micro_shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
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

/* Map the start of a file for reading, in place of what is mapped at this address; with fd none,
 * only keep the addresses. 0 or -errno. */
static inline int micro_map_over(uintptr_t address, int fd, size_t bytes)
{
    const int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    const int access = fd < 0 ? PROT_NONE : PROT_READ;
    return mmap((void *)address, bytes, access, kind | MAP_FIXED, fd, 0) == MAP_FAILED ? -errno : 0;
}

/* What follows begins only when all before it has ended. */
static inline void micro_in_turn(void)
{
#if defined(__x86_64__)
    __asm__ volatile("lfence" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("dsb sy\n\tisb" ::: "memory");
#else
    __sync_synchronize();
#endif
}

/* Read one byte of a page, which the compiler may not drop. */
static inline void micro_touch(uintptr_t address)
{
    (void)*(volatile const char *)address;
    micro_in_turn();
}

/* Write one byte of a page. */
static inline void micro_dirty(uintptr_t address)
{
    *(volatile char *)address = 1;
    micro_in_turn();
}

/* Faults are taken in turn and eight without a branch between them: where the processor runs ahead
 * into the next ones, or its guesses at the kernel's branches begin with one of ours, one and the
 * same fault costs 0.8 to 1.2 us by where in memory the loop lies. */
#define MICRO_FOR_EACH(n, statement) \
    do { \
        uint64_t left = (n); \
        for (; left >= 8; left -= 8) { \
            statement; statement; statement; statement; \
            statement; statement; statement; statement; \
        } \
        for (; left; left--) { \
            statement; \
        } \
    } while (0)

/* Read one byte of each of n pages. */
static inline void micro_touch_each(const uintptr_t *pages, uint64_t n)
{
    MICRO_FOR_EACH(n, micro_touch(*pages++));
}

/* Read one byte of each of n pages, so many bytes apart. */
static inline void micro_touch_range(uintptr_t start, uint64_t n, size_t stride_bytes)
{
    MICRO_FOR_EACH(n, (micro_touch(start), start += stride_bytes));
}

/* Write one byte of each of n pages, so many bytes apart. */
static inline void micro_dirty_range(uintptr_t start, uint64_t n, size_t stride_bytes)
{
    MICRO_FOR_EACH(n, (micro_dirty(start), start += stride_bytes));
}

/* A huge page that was denied shows as a fault for each of its small ones, or, from a file, for
 * each few of them; the odd fault of other causes does not count. */
#define MICRO_ODD_FAULTS 16

static inline int micro_fell_back(int64_t faults, int64_t huge_pages)
{
    return faults > huge_pages + MICRO_ODD_FAULTS;
}

/* Put huge pages in place of a range's small ones, where the system can do that; the next fault
 * tells whether it did. */
static inline void micro_collapse(uintptr_t start, size_t bytes)
{
#ifdef MADV_COLLAPSE
    madvise((void *)start, bytes, MADV_COLLAPSE);
#else
    (void)start, (void)bytes;
#endif
}

/* Map and dirty a range of pages, unmap it; `hint` keeps huge pages aligned. 0, or -errno with the
 * failed call's name. */
static inline int micro_map_dirty_unmap(uintptr_t hint, size_t bytes, size_t page_bytes, int huge,
                                        const char **call)
{
    void *start = mmap((void *)hint, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
    *call = "mmap";
    if (start == MAP_FAILED)
        return -errno;
    *call = "madvise";
    const int status = micro_advise_pages(start, bytes, huge);
    if (status == 0)
        micro_dirty_range((uintptr_t)start, bytes / page_bytes, page_bytes);
    if (munmap(start, bytes) != 0) {
        *call = "munmap";
        return -errno;
    }
    return status;
}

#endif
