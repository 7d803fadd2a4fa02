/* Small files of one directory, called by their numbers. All return -errno on failure. */
#ifndef MICRO_OS_NUMBERED_H
#define MICRO_OS_NUMBERED_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

typedef struct { char text[24]; } micro_number_t;

static inline micro_number_t micro_number(int64_t number)
{
    micro_number_t name;
    snprintf(name.text, sizeof name.text, "%lld", (long long)number);
    return name;
}

/* A descriptor to read file `number`. */
static inline int micro_open_numbered(int directory, int64_t number)
{
    const int fd = openat(directory, micro_number(number).text, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Make file `number`, of a single byte. On failure nothing of it is left. */
static inline int micro_create_numbered(int directory, int64_t number)
{
    const micro_number_t name = micro_number(number);
    const int fd = openat(directory, name.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    const int status = write(fd, "m", 1) == 1 ? 0 : -(errno ? errno : EIO);
    close(fd);
    if (status)
        unlinkat(directory, name.text, 0);
    return status;
}

static inline int micro_remove_numbered(int directory, int64_t number)
{
    return unlinkat(directory, micro_number(number).text, 0) == 0 ? 0 : -errno;
}

#endif
