// SHA-256 (FIPS 180-4), fed piece by piece: the checksum of checkpoints and the hash of a state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace streamdl {

class Sha256 {
 public:
  using Digest = std::array<uint8_t, 32>;

  // `plain` forces the portable code where the processor has SHA instructions (for tests).
  explicit Sha256(bool plain = false);

  void update(const void* data, size_t bytes);

  // The hash of everything so far. Ends this object: start a new one for the next message.
  Digest digest();
  std::string hex_digest();  // 64 lower-case digits

 private:
  using Compress = void (*)(uint32_t hash[8], const uint8_t* blocks, size_t count);

  Compress compress_;
  uint32_t hash_[8];
  uint64_t bytes_ = 0;  // fed so far; the last bytes_ % 64 of them wait in block_
  uint8_t block_[64];
};

}  // namespace streamdl
