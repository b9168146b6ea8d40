// The container of checkpoints: a safetensors file, readable by the public library, that we trust
// in nothing when we read it back.
//
//   8 bytes    length of the header, little endian
//   header     JSON: {"__metadata__":{"key":"value",...},
//                     "name":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]},...}
//   data       the tensors' bytes, one after the other, without holes, to the end of the file
//
// What we write is canonical, so equal contents give equal files: no white space but the spaces
// that pad the header to a multiple of 8 bytes, metadata first and sorted by key, tensors sorted by
// the size of their number type (largest first, so that each one is aligned) and then by name.
//
// Two metadata entries are the container's own:
//   streamdl.format    "1"
//   streamdl.checksum  SHA-256 of the whole file, as 64 lower-case hex digits, computed with these
//                      64 digits replaced by the digit 0. Every byte of the file is covered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace streamdl::container {

enum class DType { F32, F64, U64, I64, U8, I32 };
size_t bytes_of(DType dtype);  // of one number

// Bounds that a reader of hostile files needs; far above what a learner writes.
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the public library's bound
inline constexpr size_t kMaxRank = 8;
inline constexpr size_t kMaxMetadata = 256;  // entries
inline constexpr int kMaxDepth = 32;         // nesting of values that we do not know and skip

enum class Status {
  ok,
  truncated,           // the file ends before its header or its data do
  header_too_large,    // more than kMaxHeaderBytes
  syntax,              // not the JSON of a safetensors header
  utf8,                // a string is not valid UTF-8
  duplicate_name,      // two tensors, metadata keys or members of one name
  metadata,            // more than kMaxMetadata entries
  dtype,               // a number type other than the five above
  shape,               // too many dimensions, or more bytes than 2^63 - 1
  size,                // shape times number type is not the number of bytes
  offsets,             // a hole, an overlap, or bytes after the last tensor
  foreign,             // a safetensors file, but not a checkpoint of ours
  unsupported_format,  // a checkpoint of ours in a format that this version does not know
  checksum,            // damaged
  out_of_memory,
  write_failed,  // the sink refused
};

// What was wrong, where, and what was expected. A fixed struct: reporting allocates nothing.
struct Error {
  Status status = Status::ok;
  uint64_t byte = 0;       // offset in the file where the reader stood
  char message[256] = "";  // one line of printable ASCII
};

struct TensorView {
  std::string_view name;
  DType dtype = DType::F32;
  std::vector<uint64_t> shape;    // slowest dimension first, C order
  const uint8_t* data = nullptr;  // little endian; memcpy it out, it need not be aligned
  size_t bytes = 0;
};

using Metadata = std::map<std::string, std::string, std::less<>>;

// A parsed file. Names and data point into the file's bytes, which must outlive it.
struct Container {
  Metadata metadata;                         // includes the container's own two entries
  std::vector<TensorView> tensors;           // in the order of their data
  std::forward_list<std::string> unescaped;  // names that were written with escapes

  Container() = default;
  Container(Container&&) = default;
  Container& operator=(Container&&) = default;
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
};

// Takes the file piece by piece; false stops the writer with Status::write_failed.
using Sink = std::function<bool(const void* data, size_t bytes)>;

// Writes a file to `sink` without a second copy of the data, which is read twice (checksum, then
// write) and must not change meanwhile. The container's own two entries of `metadata` are replaced.
// Refuses what parse() would refuse. Nothing reaches the sink before all checks have passed.
Status serialize(const Metadata& metadata, std::span<const TensorView> tensors, const Sink& sink, Error& error);

// Reads a file of `size` bytes. Any bytes are safe: no exception, no unbounded recursion, and no
// more than a small multiple of `size` is allocated. `container` is meaningful only when the result
// is ok.
Status parse(const uint8_t* file, size_t size, Container& container, Error& error);

}  // namespace streamdl::container
