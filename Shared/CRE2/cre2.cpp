#include "cre2.h"

#include <re2/re2.h>

#include <cstring>
#include <new>

struct cre2_pattern {
  re2::RE2 re;
  cre2_pattern(const re2::StringPiece &text, const re2::RE2::Options &options)
      : re(text, options) {}
};

extern "C" cre2_pattern *cre2_compile(const char *text, size_t length, bool ignore_case,
                                      long max_memory, char *message, size_t capacity) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(!ignore_case);
  options.set_max_mem(max_memory);
  cre2_pattern *pattern = new (std::nothrow) cre2_pattern(re2::StringPiece(text, length), options);
  if (pattern != nullptr && pattern->re.ok()) return pattern;
  const char *reason = pattern == nullptr ? "out of memory" : pattern->re.error().c_str();
  if (capacity > 0) {
    std::strncpy(message, reason, capacity - 1);
    message[capacity - 1] = '\0';
  }
  delete pattern;
  return nullptr;
}

extern "C" void cre2_free(cre2_pattern *pattern) { delete pattern; }

extern "C" bool cre2_find(const cre2_pattern *pattern, const char *text, size_t length, size_t from,
                          bool with_group, size_t *bounds) {
  re2::StringPiece subject(text, length);
  re2::StringPiece match[2];
  int wanted = with_group ? 2 : 1;
  if (!pattern->re.Match(subject, from, length, re2::RE2::UNANCHORED, match, wanted)) return false;
  for (int i = 0; i < wanted; i++) {
    const re2::StringPiece &piece = match[i].data() == nullptr ? match[0] : match[i];
    bounds[2 * i] = static_cast<size_t>(piece.data() - text);
    bounds[2 * i + 1] = bounds[2 * i] + piece.size();
  }
  return true;
}
