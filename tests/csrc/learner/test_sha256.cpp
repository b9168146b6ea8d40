// SHA-256 gives the published digests, by both code paths, however the message is cut.
//
//   g++ -std=c++20 -O2 -Icsrc -Itests/csrc tests/csrc/learner/test_sha256.cpp
//   csrc/learner/sha256.cpp
#include <algorithm>
#include <string>

#include "check.h"
#include "learner/sha256.h"

using streamdl::Sha256;

namespace {

std::string hash(const std::string& message, bool plain) {
  Sha256 sha(plain);
  sha.update(message.data(), message.size());
  return sha.hex_digest();
}

// FIPS 180-4's own examples, and the empty message.
void published_vectors() {
  const struct {
    std::string message;
    const char* digest;
  } vectors[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmn"
       "op"
       "qrsmnopqrstnopqrstu",
       "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
      {std::string(1000000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& vector : vectors) {
    CHECK_EQUAL(hash(vector.message, true), vector.digest);
    CHECK_EQUAL(hash(vector.message, false), vector.digest);
  }
}

// Lengths around the block of 64 and the padding's limit of 56; both paths, and every cut in two.
void lengths_and_cuts() {
  std::string message;
  for (int length = 0; length <= 200; ++length) {
    const std::string whole = hash(message, true);
    CHECK_EQUAL(hash(message, false), whole);
    for (size_t cut = 0; cut <= message.size(); ++cut) {
      Sha256 sha;
      sha.update(message.data(), cut);
      sha.update(message.data() + cut, message.size() - cut);
      CHECK_EQUAL(sha.hex_digest(), whole);
    }
    message += static_cast<char>(length * 37 + 11);
  }
}

}  // namespace

int main() {
  published_vectors();
  lengths_and_cuts();
  return check_result();
}
