// Hostile checkpoint files: millions of damaged ones, none of which may crash the reader, make it
// allocate more than a small multiple of the file, or come back different after an honest rewrite.
//
//   g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -Icsrc
//       tests/csrc/learner/fuzz_container.cpp csrc/learner/safetensors*.cpp csrc/learner/sha256.cpp
//   ./a.out [iterations = 100000] [seed = 1]
//
// With -DSTREAMDL_LIBFUZZER -fsanitize=fuzzer it is a libFuzzer target with the same checks.
//
// A mutation knows the format: most of them leave the checksum right, so that they reach the code
// behind it. An accepted file whose header is not in the writer's canonical form (white space,
// escapes, members to skip, another order) cannot come back byte for byte; then the rewritten file
// must hold the same contents and be its own rewrite.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "learner/safetensors.h"
#include "learner/sha256.h"

using namespace streamdl::container;

//---------------------------------------------------------------------------- the allocation guard

namespace {
uint64_t allocated = 0;  // bytes asked for since the last reset, freed or not
}  // namespace

// Not inlined: the compiler would see a free() that it cannot match with its operator new.
__attribute__((noinline)) void* operator new(size_t bytes) {
  allocated += bytes;
  if (void* p = std::malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* p) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace {

[[noreturn]] void stop(const char* what, const std::string& file) {
  std::fprintf(stderr, "%s; the file of %zu bytes was:\n", what, file.size());
  for (const char c : file) {
    const bool plain = c >= 0x20 && c < 0x7f;
    std::fprintf(stderr, plain ? "%c" : "\\x%02x", static_cast<uint8_t>(c));
  }
  std::fprintf(stderr, "\n");
  std::abort();
}

//---------------------------------------------------------------------------- the checks

struct Counts {
  uint64_t accepted = 0, canonical = 0, by_status[32] = {};
  double most_allocated = 0;  // relative to the file, of files above 4 KiB
} counts;

std::string rewrite(const Container& container, const std::string& file) {
  std::string written;
  Error error;
  const Sink append = [&](const void* data, size_t bytes) {
    return written.append(static_cast<const char*>(data), bytes), true;
  };
  if (serialize(container.metadata, container.tensors, append, error) != Status::ok)
    stop("an accepted file cannot be written", file);
  return written;
}

// Equal but for the checksum; tensors by name, for the writer sorts them.
bool same_contents(const Container& a, const Container& b) {
  Metadata left = a.metadata, right = b.metadata;
  left.erase("streamdl.checksum"), right.erase("streamdl.checksum");
  if (left != right || a.tensors.size() != b.tensors.size()) return false;
  std::map<std::string_view, const TensorView*> named;
  for (const TensorView& tensor : b.tensors) named[tensor.name] = &tensor;
  for (const TensorView& tensor : a.tensors) {
    const auto other = named.find(tensor.name);
    if (other == named.end()) return false;
    const TensorView& twin = *other->second;
    if (twin.dtype != tensor.dtype || twin.shape != tensor.shape || twin.bytes != tensor.bytes ||
        (tensor.bytes > 0 && std::memcmp(twin.data, tensor.data, tensor.bytes) != 0))
      return false;
  }
  return true;
}

void check(const std::string& file) {
  // Its own allocation of exactly this size, so that a read past the end is seen.
  uint8_t* exact = static_cast<uint8_t*>(std::malloc(file.size() ? file.size() : 1));
  std::memcpy(exact, file.data(), file.size());
  {
    Container container;
    Error error;
    allocated = 0;
    const Status status = parse(exact, file.size(), container, error);
    if (allocated > 8 * file.size() + 64 * 1024) stop("allocated more than 8 files + 64 KiB", file);
    if (file.size() > 4096)
      counts.most_allocated =
          std::max(counts.most_allocated, static_cast<double>(allocated) / static_cast<double>(file.size()));
    ++counts.by_status[static_cast<size_t>(status)];
    if (error.status != status || (status == Status::ok) != (error.message[0] == 0))
      stop("status and error differ", file);
    if (std::memchr(error.message, 0, sizeof error.message) == nullptr || error.byte > file.size())
      stop("the error is not well formed", file);
    if (status == Status::ok) {
      ++counts.accepted;
      const std::string again = rewrite(container, file);
      if (again == file) {
        ++counts.canonical;
      } else {
        Container second;
        const uint8_t* bytes = reinterpret_cast<const uint8_t*>(again.data());
        if (parse(bytes, again.size(), second, error) != Status::ok) stop("a rewritten file is refused", file);
        if (!same_contents(container, second)) stop("a rewritten file differs", file);
        if (rewrite(second, again) != again) stop("rewriting twice differs", file);
      }
    }
  }
  std::free(exact);
}

//---------------------------------------------------------------------------- seeds

std::string seed_file(int kind) {
  static const std::vector<uint8_t> data(65536, 0xa5);
  static const char* const names[] = {"0.weight", "0.bias", "1.weight", "gr\u00fc\u00df", "a\"b\\c\n", "ages", "z", ""};
  Metadata metadata = {{"spec", "{\"network\":{\"inputs\":3,\"hidden\":[4]}}"}, {"\u20ac", "\U0001f40d"}};
  std::vector<TensorView> tensors;
  const int many = kind == 0 ? 0 : kind == 1 ? 1 : kind == 2 ? 8 : 200;
  std::vector<std::string> numbered;
  for (int i = 0; i < many; ++i) numbered.push_back(i < 8 ? names[i] : std::to_string(i));
  for (int i = 0; i < many; ++i) {
    const DType dtype = static_cast<DType>(i % 5);
    std::vector<uint64_t> shape;
    uint64_t count = 1;
    for (int d = 0; d < i % 4; ++d) shape.push_back(static_cast<uint64_t>((i + d) % 4)), count *= shape.back();
    tensors.push_back({numbered[static_cast<size_t>(i)], dtype, shape, data.data(), count * bytes_of(dtype)});
  }
  if (kind == 0) metadata.clear();
  Container container;
  container.metadata = metadata, container.tensors = tensors;
  return rewrite(container, "");
}

//---------------------------------------------------------------------------- mutations

using Random = std::mt19937_64;

size_t below(Random& random, size_t n) { return n == 0 ? 0 : random() % n; }

// A file in two parts, so that a mutation of the header keeps its length right.
struct Parts {
  std::string header, data;
  explicit Parts(const std::string& file) {
    uint64_t length = 0;
    if (file.size() >= 8) std::memcpy(&length, file.data(), 8);
    if (file.size() < 8 || length > file.size() - 8) length = 0;
    header = file.size() < 8 ? "" : file.substr(8, length);
    data = file.size() < 8 ? file : file.substr(8 + length);
  }
  std::string file() const {
    std::string file(8, '\0');
    const uint64_t length = header.size();
    std::memcpy(file.data(), &length, 8);
    return file + header + data;
  }
};

void put_checksum_right(std::string& file) {
  const std::string key = "\"streamdl.checksum\":\"";
  const size_t found = file.find(key), at = found + key.size();
  if (found == std::string::npos || file.size() - at < 64) return;
  file.replace(at, 64, 64, '0');
  streamdl::Sha256 sha;
  sha.update(file.data(), file.size());
  file.replace(at, 64, sha.hex_digest());
}

void edit_number(std::string& header, Random& random) {
  // clang-format off
  static const char* const numbers[] = {
      "0", "1", "2", "7", "8", "9", "00", "-1", "1.0", "1e3", "255", "2147483648", "4294967295",
      "4294967296", "4611686018427387904", "9223372036854775807", "9223372036854775808",
      "18446744073709551615", "18446744073709551616", "340282366920938463463374607431768211456"};
  // clang-format on
  const size_t start = below(random, header.size());
  size_t at = header.find_first_of("0123456789", start);
  if (at == std::string::npos) return;
  size_t end = header.find_first_not_of("0123456789", at);
  if (end == std::string::npos) end = header.size();
  header.replace(at, end - at, numbers[below(random, std::size(numbers))]);
}

void insert_token(std::string& header, Random& random) {
  // clang-format off
  static const char* const tokens[] = {
      "{", "}", "[", "]", ",", ":", "\"", "\\", " ", "\n", "0", "true", "\xc3\xa9", "\xff",
      "\\u0061", "\\ud83d", "\\ud83d\\udc0d", "\"__metadata__\":{},", "\"dtype\":\"U8\",",
      "\"x\":[[[]]],", "\"x\":{\"y\":-1.5e3},", "\"x\":null,", "\"streamdl.format\":\"1\",",
      "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"};
  // clang-format on
  // Half of the time where a member can begin.
  size_t at = below(random, header.size() + 1);
  if (random() % 2) at = std::min(header.find_first_of("{,", at), header.size() - 1) + 1;
  header.insert(std::min(at, header.size()), tokens[below(random, std::size(tokens))]);
}

// Copies one entry of the header to another place: duplicates, reordered and overlapping tensors.
void copy_entry(std::string& header, Random& random) {
  const size_t from = header.find("\"", below(random, header.size()));
  if (from == std::string::npos) return;
  const size_t to = header.find("},", from);
  if (to == std::string::npos) return;
  const std::string entry = header.substr(from, to + 2 - from);
  const size_t at = random() % 2 ? to + 2 : below(random, header.size());
  header.insert(at, entry);
}

void nest(std::string& header, Random& random) {
  static const size_t depths[] = {1, 30, 31, 32, 33, 34, 1000, 20000};
  const size_t depth = depths[below(random, std::size(depths))];
  std::string value;
  const bool objects = random() % 2;
  for (size_t i = 0; i < depth; ++i) value += objects ? "{\"k\":" : "[";
  value += objects ? "0" : "";
  if (random() % 4) value.append(depth, objects ? '}' : ']');
  const size_t at = header.find("\"dtype\"", below(random, header.size()));
  if (at != std::string::npos) header.insert(at, "\"x\":" + value + ",");
}

// Very many tiny things, to make a reader allocate.
void flood(std::string& header, Random& random) {
  const size_t n = 1 + below(random, 3000), kind = random() % 5;
  const size_t brace = header.find('{');
  if (brace == std::string::npos) return;
  std::string entries;
  for (size_t i = 0; i < n; ++i) {
    const std::string name = random() % 64 ? std::to_string(i) : "0";
    if (kind == 0) entries += "\"" + name + "\":{\"dtype\":\"U8\",\"shape\":[0,0,0,0,0,0,0,0],\"data_offsets\":[0,0]},";
    else if (kind == 1) entries += "\"\\n" + name + "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},";
    else entries += kind == 2 ? "0," : kind == 3 ? "\"\\n\":0," : "\"" + name + "\":\"\",";
  }
  size_t at = brace + 1;
  if (kind == 2) at = header.find("\"shape\":[") == std::string::npos ? at : header.find("\"shape\":[") + 9;
  if (kind == 3) at = header.find("\"dtype\"") == std::string::npos ? at : header.find("\"dtype\"");
  if (kind == 4)
    at = header.find("\"__metadata__\":{") == std::string::npos ? at : header.find("\"__metadata__\":{") + 16;
  header.insert(at, entries);
}

std::string mutate(std::string file, const std::vector<std::string>& seeds, Random& random) {
  for (size_t edits = 1 + below(random, 3); edits > 0; --edits) {
    Parts parts(file);
    std::string& header = parts.header;
    const size_t bit = below(random, file.size() * 8);
    switch (random() % 128 < 2 ? 10 : random() % 10) {
      case 0:
        if (!file.empty()) file[bit / 8] = static_cast<char>(file[bit / 8] ^ 1 << bit % 8);
        break;
      case 1:
        if (random() % 4 == 0) {
          file.resize(below(random, file.size() + 1));
        } else if (random() % 4 == 0) {  // the header ends early, and the file with it
          header.resize(below(random, header.size() + 1)), parts.data.clear();
          file = parts.file();
        }
        break;
      case 2: edit_number(header, random), file = parts.file(); break;
      case 3: insert_token(header, random), file = parts.file(); break;
      case 4: copy_entry(header, random), file = parts.file(); break;
      case 5:
        if (random() % 8 == 0) nest(header, random), file = parts.file();
        break;
      case 6: {  // splice: the header of one file, the data of another
        if (random() % 4) break;
        const Parts other(seeds[below(random, seeds.size())]);
        (random() % 2 ? parts.data : header) = random() % 2 ? other.data : other.header;
        file = parts.file();
        break;
      }
      case 7: parts.data.resize(below(random, parts.data.size() + 9)), file = parts.file(); break;
      case 8: {  // the length of the header
        static const uint64_t lengths[] = {0,           1,          2,          7,     99'999'999, 100'000'000,
                                           100'000'001, 1ull << 32, 1ull << 63, ~0ull, ~7ull};
        if (file.size() < 8 || random() % 8) break;
        const uint64_t length = lengths[below(random, std::size(lengths))];
        std::memcpy(file.data(), &length, 8);
        break;
      }
      case 9:
        if (!header.empty()) header.erase(below(random, header.size()), 1 + below(random, 4)), file = parts.file();
        break;
      default: flood(header, random), file = parts.file();
    }
  }
  if (random() % 8) put_checksum_right(file);
  return file;
}

}  // namespace

#if defined(STREAMDL_LIBFUZZER)
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string file(reinterpret_cast<const char*>(data), size);
  check(file);
  put_checksum_right(file);
  check(file);
  return 0;
}
#else
int main(int argc, char** argv) {
  const uint64_t iterations = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100000;
  Random random(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
  std::vector<std::string> seeds;
  for (int kind = 0; kind < 4; ++kind) seeds.push_back(seed_file(kind));
  for (const std::string& seed : seeds) check(seed);
  if (counts.canonical != seeds.size()) stop("a file of the writer does not come back", seeds[0]);

  // Accepted mutants join the pool, so that mutations pile up.
  std::vector<std::string> pool = seeds;
  for (uint64_t i = 0; i < iterations; ++i) {
    // The large seed is one in four of the seeds but rare here: it costs fifty small ones.
    const size_t pick = random() % 64 ? below(random, pool.size()) : 3;
    const std::string file = mutate(pool[pick == 3 && random() % 4 ? 2 : pick], seeds, random);
    const uint64_t accepted = counts.accepted;
    check(file);
    if (counts.accepted > accepted && file.size() < 3000) {
      if (pool.size() < 256) pool.push_back(file);
      else pool[4 + below(random, pool.size() - 4)] = file;
    }
  }

  static const char* const names[] = {"ok",
                                      "truncated",
                                      "header_too_large",
                                      "syntax",
                                      "utf8",
                                      "duplicate_name",
                                      "metadata",
                                      "dtype",
                                      "shape",
                                      "size",
                                      "offsets",
                                      "foreign",
                                      "unsupported_format",
                                      "checksum",
                                      "out_of_memory",
                                      "write_failed"};
  std::printf("%" PRIu64 " files: %" PRIu64 " accepted (%" PRIu64 " canonical), most allocated %.2f times the file\n",
              iterations, counts.accepted, counts.canonical, counts.most_allocated);
  for (size_t i = 0; i < std::size(names); ++i) std::printf("  %-18s %" PRIu64 "\n", names[i], counts.by_status[i]);
  return 0;
}
#endif
