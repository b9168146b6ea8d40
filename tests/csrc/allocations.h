// Counters before malloc, free, new and their kin: for tests of one source, that say how often a piece of code allocates.
#pragma once

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace {
long long calls = 0;  // since the start; this program has one thread
}

extern "C" {
void* __libc_malloc(size_t);
void __libc_free(void*);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t n) { return ++calls, __libc_malloc(n); }
void free(void* p) { ++calls, __libc_free(p); }
void* calloc(size_t n, size_t size) { return ++calls, __libc_calloc(n, size); }
void* realloc(void* p, size_t n) { return ++calls, __libc_realloc(p, n); }
void* memalign(size_t a, size_t n) { return ++calls, __libc_memalign(a, n); }
void* aligned_alloc(size_t a, size_t n) { return ++calls, __libc_memalign(a, n); }
int posix_memalign(void** p, size_t a, size_t n) noexcept {
  *p = (++calls, __libc_memalign(a, n));
  return *p ? 0 : 12;
}
}
// The library's operator new calls malloc, but nothing promises that it does.
void* operator new(size_t n) {
  void* p = malloc(n);
  if (!p) throw std::bad_alloc();
  return p;
}
void* operator new[](size_t n) { return operator new(n); }
void operator delete(void* p) noexcept { free(p); }
void operator delete[](void* p) noexcept { free(p); }
void operator delete(void* p, size_t) noexcept { free(p); }
void operator delete[](void* p, size_t) noexcept { free(p); }
