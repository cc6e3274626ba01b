#include <malloc.h>
#include <nghttp2/nghttp2.h>

/// Has the processor fetch cache lines of 64 bytes, without waiting for them. Any address will do.
static inline void bindery_prefetch(const void *address, int lines) {
  for (int line = 0; line < lines; line++) {
    __builtin_prefetch((const char *)address + 64 * line, 1, 3);
  }
}

/// How long a block of malloc is, in bytes.
static inline size_t bindery_block_size(void *block) { return malloc_usable_size(block); }
