// A small C face for RE2 (https://github.com/google/re2), the linear-time regular expression engine.
#ifndef BINDERY_CRE2_H
#define BINDERY_CRE2_H
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct cre2_pattern cre2_pattern;
#ifdef __cplusplus
}
#endif
#endif
