// A small C face for RE2 (https://github.com/google/re2), the linear-time regular expression engine.
#ifndef BINDERY_CRE2_H
#define BINDERY_CRE2_H
#include <stddef.h>
#include <stdbool.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct cre2_pattern cre2_pattern;

// Compiles UTF-8 text; NULL with a message of at most `capacity` bytes in `message` when it can't be.
cre2_pattern *cre2_compile(const char *text, size_t length, bool ignore_case, long max_memory,
                           char *message, size_t capacity);
void cre2_free(cre2_pattern *pattern);
// Finds the leftmost match at or after `from`; its start and end go to `bounds[0]` and `bounds[1]`,
// those of its first group to `bounds[2]` and `bounds[3]` if `with_group` (equal to the match's if the
// group took no part).
bool cre2_find(const cre2_pattern *pattern, const char *text, size_t length, size_t from,
               bool with_group, size_t *bounds);
#ifdef __cplusplus
}
#endif
#endif
