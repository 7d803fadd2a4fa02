/* malloc() as far as a short Python program needs it: a heap that only grows. */
#include <stddef.h>
#include <string.h>
static _Alignas(16) char heap[256 << 20];
static size_t used;
void *malloc(size_t size)
{
    size_t *block = (size_t *)(heap + __atomic_fetch_add(&used, (size + 31) / 16 * 16, 5));
    if ((char *)block + size + 32 > heap + sizeof heap)
        return NULL;
    *block = size;
    return block + 2;
}
void free(void *block) { (void)block; }
void *calloc(size_t count, size_t size) { return malloc(count * size); }
void *realloc(void *block, size_t size)
{
    void *grown = malloc(size);
    if (grown && block)
        memcpy(grown, block, ((size_t *)block)[-2] < size ? ((size_t *)block)[-2] : size);
    return grown;
}
