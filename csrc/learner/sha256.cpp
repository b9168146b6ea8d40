#include "learner/sha256.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace streamdl {
namespace {

// First 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS
// 180-4, 4.2.2).
// clang-format off
alignas(16) constexpr uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
// clang-format on

// The same for the square roots of the first 8 primes (5.3.3).
constexpr uint32_t kStart[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// Section 6.2.2, letter by letter.
void compress_plain(uint32_t hash[8], const uint8_t* blocks, size_t count) {
  for (; count > 0; --count, blocks += 64) {
    uint32_t W[64];
    for (int t = 0; t < 16; ++t) {
      const uint8_t* p = blocks + 4 * t;
      W[t] = uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
    }
    for (int t = 16; t < 64; ++t) {
      const uint32_t x = W[t - 15], y = W[t - 2];
      const uint32_t sigma0 = std::rotr(x, 7) ^ std::rotr(x, 18) ^ (x >> 3);
      const uint32_t sigma1 = std::rotr(y, 17) ^ std::rotr(y, 19) ^ (y >> 10);
      W[t] = sigma1 + W[t - 7] + sigma0 + W[t - 16];
    }
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3];
    uint32_t e = hash[4], f = hash[5], g = hash[6], h = hash[7];
    for (int t = 0; t < 64; ++t) {
      const uint32_t sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const uint32_t choice = (e & f) ^ (~e & g);
      const uint32_t T1 = h + sum1 + choice + kRound[t] + W[t];
      const uint32_t sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
      const uint32_t T2 = sum0 + majority;
      h = g, g = f, f = e, e = d + T1;
      d = c, c = b, b = a, a = T1 + T2;
    }
    hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d;
    hash[4] += e, hash[5] += f, hash[6] += g, hash[7] += h;
  }
}

#if defined(__x86_64__)

bool has_sha_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
  const bool ssse3 = c & bit_SSSE3, sse41 = c & bit_SSE4_1;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  return ssse3 && sse41 && (b & bit_SHA);
}

// The instructions want the eight words as two vectors, ABEF and CDGH (high lane first), and do two
// rounds at a time; W[t..t+3] lives in one vector of a ring of four.
__attribute__((target("sha,sse4.1,ssse3"))) void compress_sha(uint32_t hash[8], const uint8_t* blocks, size_t count) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const __m128i* round = reinterpret_cast<const __m128i*>(kRound);
  __m128i* words = reinterpret_cast<__m128i*>(hash);

  __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xb1);
  __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);

  for (; count > 0; --count, blocks += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i W[4];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      if (i < 4) {
        const __m128i* source = reinterpret_cast<const __m128i*>(blocks) + i;
        W[i] = _mm_shuffle_epi8(_mm_loadu_si128(source), big_endian);
      } else {
        const __m128i last = W[(i + 3) & 3];
        const __m128i seven_back = _mm_alignr_epi8(last, W[(i + 2) & 3], 4);
        const __m128i partial = _mm_sha256msg1_epu32(W[i & 3], W[(i + 1) & 3]);
        W[i & 3] = _mm_sha256msg2_epu32(_mm_add_epi32(partial, seven_back), last);
      }
      const __m128i term = _mm_add_epi32(W[i & 3], _mm_load_si128(round + i));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, term);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(term, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }

  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128(words, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(words + 1, _mm_alignr_epi8(dchg, feba, 8));
}

#endif

}  // namespace

Sha256::Sha256(bool plain) : compress_(compress_plain) {
#if defined(__x86_64__)
  static const bool fast = has_sha_instructions();
  if (fast && !plain) compress_ = compress_sha;
#else
  (void)plain;
#endif
  std::copy_n(kStart, 8, hash_);
}

void Sha256::update(const void* data, size_t bytes) {
  if (bytes == 0) return;
  const uint8_t* p = static_cast<const uint8_t*>(data);
  const size_t waiting = bytes_ % 64;
  bytes_ += bytes;
  if (waiting > 0) {
    const size_t part = std::min(bytes, 64 - waiting);
    std::memcpy(block_ + waiting, p, part);
    p += part, bytes -= part;
    if (waiting + part < 64) return;
    compress_(hash_, block_, 1);
  }
  compress_(hash_, p, bytes / 64);
  std::memcpy(block_, p + bytes / 64 * 64, bytes % 64);
}

Sha256::Digest Sha256::digest() {
  // Padding (5.1.1): a one bit, zeros, and the length in bits, big endian, ending a block.
  const uint64_t bits = bytes_ * 8;
  uint8_t padding[72] = {0x80};
  const size_t length_at = (bytes_ % 64 < 56 ? 56 : 120) - bytes_ % 64;
  for (int i = 0; i < 8; ++i) padding[length_at + i] = static_cast<uint8_t>(bits >> (56 - 8 * i));
  update(padding, length_at + 8);

  Digest digest;
  for (size_t i = 0; i < 32; ++i) digest[i] = static_cast<uint8_t>(hash_[i / 4] >> (24 - 8 * (i % 4)));
  return digest;
}

std::string Sha256::hex_digest() {
  std::string text;
  text.reserve(64);
  for (const uint8_t byte : digest()) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace streamdl
