// Parts that the reader and the writer of the container share: names of the format, text, shapes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "learner/safetensors.h"

namespace streamdl::container {

inline constexpr std::string_view kMetadataName = "__metadata__";
inline constexpr std::string_view kFormatKey = "streamdl.format", kFormat = "1";
inline constexpr std::string_view kChecksumKey = "streamdl.checksum";
inline constexpr std::string_view kNoChecksum = "0000000000000000000000000000000000000000000000000000000000000000";

inline constexpr struct {
  std::string_view name;
  size_t bytes;
} kDTypes[] = {{"F32", 4}, {"F64", 8}, {"U64", 8}, {"I64", 8}, {"U8", 1}, {"I32", 4}};

// Fills `error` and returns `status`.
__attribute__((format(printf, 4, 5))) Status report(Error& error, Status status, uint64_t byte, const char* format,
                                                    ...);

// A name of any origin, fit for a message: printable and short.
struct Printable {
  char text[64];
  explicit Printable(std::string_view name);
};

// Bytes of a tensor; false where they, or the product of the non-zero dimensions alone, pass
// 2^63 - 1 (a shape such as [0, 2^62, 8] is empty, yet no array library can hold it).
bool tensor_bytes(const uint64_t* shape, size_t rank, DType dtype, uint64_t& bytes);

// Length of the UTF-8 sequence at p, 0 where there is none (RFC 3629: shortest form, no surrogates,
// at most U+10FFFF). `left` >= 1 bytes may be read.
size_t utf8_length(const uint8_t* p, size_t left);
bool is_utf8(std::string_view text);

int hex_value(uint8_t c);      // of a hexadecimal digit, -1 for anything else
uint32_t hex4(const char* p);  // of four digits

// The text between the quotes of a JSON string that the reader has accepted.
std::string unescape(std::string_view raw);
// Appends `text` as a JSON string, in the one way in which we write it.
void append_string(std::string& json, std::string_view text);

}  // namespace streamdl::container
