#include "learner/safetensors.h"

#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>

#include "learner/sha256.h"

// Tensors are written as they lie in memory.
static_assert(std::endian::native == std::endian::little);

namespace streamdl::container {
namespace {

constexpr std::string_view kMetadataName = "__metadata__";
constexpr std::string_view kFormatKey = "streamdl.format", kFormat = "1";
constexpr std::string_view kChecksumKey = "streamdl.checksum";
constexpr std::string_view kNoChecksum =
    "0000000000000000000000000000000000000000000000000000000000000000";

constexpr struct {
  std::string_view name;
  size_t bytes;
} kDTypes[] = {{"F32", 4}, {"F64", 8}, {"U64", 8}, {"I64", 8}, {"U8", 1}};

//---------------------------------------------------------------------------- errors

__attribute__((format(printf, 4, 5))) Status report(Error& error, Status status, uint64_t byte,
                                                    const char* format, ...) {
  error.status = status;
  error.byte = byte;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(error.message, sizeof error.message, format, arguments);
  va_end(arguments);
  return status;
}

// A name of any origin, fit for a message: printable and short.
struct Printable {
  char text[64];
  explicit Printable(std::string_view name) {
    size_t n = 0;
    for (const char c : name.substr(0, 60)) text[n++] = c >= 0x20 && c < 0x7f ? c : '?';
    if (name.size() > 60) n = n - 3, text[n++] = '.', text[n++] = '.', text[n++] = '.';
    text[n] = 0;
  }
};

//---------------------------------------------------------------------------- shapes and text

// Bytes of a tensor; false where they, or the product of the non-zero dimensions alone, pass 2^63 - 1
// (a shape such as [0, 2^62, 8] is empty, yet no array library can hold it).
bool tensor_bytes(const uint64_t* shape, size_t rank, DType dtype, uint64_t& bytes) {
  uint64_t product = bytes_of(dtype);
  bool empty = false;
  for (size_t i = 0; i < rank; ++i) {
    if (shape[i] == 0)
      empty = true;
    else if (__builtin_mul_overflow(product, shape[i], &product) || product > INT64_MAX)
      return false;
  }
  bytes = empty ? 0 : product;
  return true;
}

// Length of the UTF-8 sequence at p, 0 where there is none (RFC 3629: shortest form, no surrogates,
// at most U+10FFFF). `left` >= 1 bytes may be read.
size_t utf8_length(const uint8_t* p, size_t left) {
  const uint8_t first = p[0];
  if (first < 0x80) return 1;
  const size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length == 0 || length > left) return 0;
  uint8_t low = 0x80, high = 0xbf;  // bounds of the second byte
  if (first == 0xe0) low = 0xa0;
  if (first == 0xed) high = 0x9f;
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;
  if (p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < length; ++i)
    if (p[i] < 0x80 || p[i] > 0xbf) return 0;
  return length;
}

bool is_utf8(std::string_view text) {
  const uint8_t* p = reinterpret_cast<const uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(p + i, text.size() - i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

void append_utf8(std::string& text, uint32_t code) {
  const auto put = [&](uint32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6), put(0x80 | (code & 63));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
  } else {
    put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 63));
    put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
  }
}

int hex_value(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

uint32_t hex4(const char* p) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 4 | static_cast<uint32_t>(hex_value(p[i]));
  return value;
}

// The text between the quotes of a JSON string that Parser::string has already accepted.
std::string unescape(std::string_view raw) {
  std::string text;
  text.reserve(raw.size());  // escapes only shrink
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\') {
      text += raw[i];
      continue;
    }
    switch (raw[++i]) {
      case 'b': text += '\b'; break;
      case 'f': text += '\f'; break;
      case 'n': text += '\n'; break;
      case 'r': text += '\r'; break;
      case 't': text += '\t'; break;
      case 'u': {
        uint32_t code = hex4(&raw[i + 1]);
        i += 4;
        if (code >= 0xd800 && code < 0xdc00) {  // the low half follows as another \uXXXX
          code = 0x10000 + ((code - 0xd800) << 10) + (hex4(&raw[i + 3]) - 0xdc00);
          i += 6;
        }
        append_utf8(text, code);
        break;
      }
      default: text += raw[i];  // \" \\ and \/
    }
  }
  return text;
}

void append_string(std::string& json, std::string_view text) {
  json += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\', json += c;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      json += "\\u00", json += "01"[c >> 4], json += "0123456789abcdef"[c & 15];
    } else {
      json += c;
    }
  }
  json += '"';
}

//---------------------------------------------------------------------------- the reader

// Reads the header by recursive descent. Every function returns false after it has reported.
class Parser {
 public:
  Parser(const uint8_t* file, size_t size, Container& container, Error& error)
      : file_(file), size_(size), at_(file), end_(file), container_(container), error_(error) {}

  bool run() {
    if (size_ < 8)
      return fail(Status::truncated, "the file has %zu bytes, expected at least 8", size_);
    uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, file_, 8);
    if (header_bytes > kMaxHeaderBytes)
      return fail(Status::header_too_large, "the header has %" PRIu64 " bytes, at most %" PRIu64,
                  header_bytes, kMaxHeaderBytes);
    if (header_bytes > size_ - 8)
      return fail(Status::truncated, "the header has %" PRIu64 " bytes, the file only %zu after it",
                  header_bytes, size_ - 8);
    at_ = file_ + 8;
    data_ = end_ = at_ + header_bytes;
    data_bytes_ = size_ - 8 - header_bytes;
    return header() && names_differ() && is_ours();
  }

 private:
  template <class... Arguments>
  bool fail(Status status, const char* format, Arguments... arguments) {
    report(error_, status, static_cast<uint64_t>(at_ - file_), format, arguments...);
    return false;
  }

  //-------------------------------------------------------------------------- JSON

  void skip_space() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  uint8_t peek() {  // 0 at the end of the header, where no JSON goes on
    skip_space();
    return at_ < end_ ? *at_ : 0;
  }

  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  bool expect(char c) {
    if (take(c)) return true;
    return at_ < end_ ? fail(Status::syntax, "header: expected '%c', got byte 0x%02x", c, *at_)
                      : fail(Status::syntax, "header: expected '%c', got its end", c);
  }

  // The text between the quotes, as written; `escaped` says whether unescape() is due.
  bool string(std::string_view& raw, bool& escaped) {
    if (!expect('"')) return false;
    const uint8_t* start = at_;
    escaped = false;
    while (at_ < end_ && *at_ != '"') {
      if (*at_ < 0x20)
        return fail(Status::syntax, "header: control byte 0x%02x in a string, expected an escape",
                    *at_);
      if (*at_ == '\\') {
        escaped = true;
        if (!escape()) return false;
        continue;
      }
      const size_t length = utf8_length(at_, static_cast<size_t>(end_ - at_));
      if (length == 0) return fail(Status::utf8, "header: byte 0x%02x is not valid UTF-8", *at_);
      at_ += length;
    }
    if (at_ == end_) return fail(Status::syntax, "header: it ends inside a string");
    raw = {reinterpret_cast<const char*>(start), static_cast<size_t>(at_ - start)};
    ++at_;
    return true;
  }

  bool escape() {
    if (end_ - at_ < 2) return fail(Status::syntax, "header: it ends inside an escape");
    const uint8_t kind = at_[1];
    if (kind != 'u') {
      if (kind == 0 || !std::strchr("\"\\/bfnrt", kind))
        return fail(Status::syntax, "header: unknown escape, backslash and byte 0x%02x", kind);
      at_ += 2;
      return true;
    }
    uint32_t high = 0, low = 0;
    if (!unicode_escape(high)) return false;
    if (high < 0xd800 || high > 0xdfff) return true;
    if (high > 0xdbff || end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u' || !unicode_escape(low) ||
        low < 0xdc00 || low > 0xdfff)
      return fail(Status::utf8, "header: a lone surrogate \\u%04x", high);
    return true;
  }

  bool unicode_escape(uint32_t& code) {
    if (end_ - at_ < 6) return fail(Status::syntax, "header: it ends inside an escape");
    for (int i = 2; i < 6; ++i)
      if (hex_value(at_[i]) < 0) return fail(Status::syntax, "header: \\u without four hex digits");
    code = hex4(reinterpret_cast<const char*>(at_) + 2);
    at_ += 6;
    return true;
  }

  // {"key": member, ...}; member(key, escaped) reads the value.
  template <class Member>
  bool object(Member member) {
    if (!expect('{')) return false;
    if (take('}')) return true;
    do {
      std::string_view key;
      bool escaped = false;
      if (peek() != '"') return expect('"');
      if (!string(key, escaped) || !expect(':') || !member(key, escaped)) return false;
    } while (take(','));
    return expect('}');
  }

  template <class Element>
  bool array(Element element) {
    if (!expect('[')) return false;
    if (take(']')) return true;
    do {
      if (!element()) return false;
    } while (take(','));
    return expect(']');
  }

  bool digits() {
    const uint8_t* start = at_;
    while (at_ < end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    return at_ > start || fail(Status::syntax, "header: expected a digit");
  }

  // A number that counts something: no sign, fraction, exponent or leading zero.
  bool count(uint64_t& value) {
    skip_space();
    const uint8_t* start = at_;
    if (!digits()) return false;
    if (*start == '0' && at_ - start > 1)
      return at_ = start, fail(Status::syntax, "header: a number starts with 0");
    value = 0;
    for (const uint8_t* p = start; p < at_; ++p)
      if (__builtin_mul_overflow(value, uint64_t{10}, &value) ||
          __builtin_add_overflow(value, uint64_t(*p - '0'), &value))
        return at_ = start, fail(Status::syntax, "header: a number is above 2^64 - 1");
    return true;
  }

  // Any JSON value: a member that this version does not know.
  bool skip_value(int depth) {
    if (depth > kMaxDepth)
      return fail(Status::syntax, "header: nested deeper than %d", kMaxDepth);
    std::string_view raw;
    bool escaped = false;
    switch (peek()) {
      case '"': return string(raw, escaped);
      case '{':
        return object([&](std::string_view, bool) { return skip_value(depth + 1); });
      case '[': return array([&] { return skip_value(depth + 1); });
      case 't': return literal("true");
      case 'f': return literal("false");
      case 'n': return literal("null");
      default: return skip_number();
    }
  }

  bool literal(std::string_view word) {
    if (static_cast<size_t>(end_ - at_) < word.size() ||
        std::memcmp(at_, word.data(), word.size()) != 0)
      return fail(Status::syntax, "header: expected %s", word.data());
    at_ += word.size();
    return true;
  }

  bool skip_number() {
    const auto next_is = [&](uint8_t c) { return at_ < end_ && *at_ == c; };
    if (next_is('-')) ++at_;
    const uint8_t* start = at_;
    if (!digits()) return false;
    if (*start == '0' && at_ - start > 1)
      return at_ = start, fail(Status::syntax, "header: a number starts with 0");
    if (next_is('.') && (++at_, !digits())) return false;
    if (next_is('e') || next_is('E')) {
      ++at_;
      if (next_is('+') || next_is('-')) ++at_;
      return digits();
    }
    return true;
  }

  //-------------------------------------------------------------------------- the header

  bool header() {
    if (at_ == end_ || *at_ != '{')
      return fail(Status::syntax, "header: expected '{' as its first byte");
    bool seen_metadata = false;
    const bool good = object([&](std::string_view raw, bool escaped) {
      const std::string_view name = escaped ? container_.unescaped.emplace_front(unescape(raw)) : raw;
      if (name != kMetadataName) return tensor(name);
      if (seen_metadata) return fail(Status::duplicate_name, "two entries __metadata__");
      seen_metadata = true;
      return object([&](std::string_view key, bool key_escaped) {
        return metadata_entry(key_escaped ? unescape(key) : std::string(key));
      });
    });
    if (!good) return false;
    while (at_ < end_ && *at_ == ' ') ++at_;
    if (at_ != end_)
      return fail(Status::syntax, "header: expected only spaces after '}', got byte 0x%02x", *at_);
    if (next_ != data_bytes_)
      return fail(Status::offsets, "the tensors have %" PRIu64 " bytes, the file has %" PRIu64, next_,
                  data_bytes_);
    return true;
  }

  bool metadata_entry(std::string key) {
    if (container_.metadata.size() == kMaxMetadata)
      return fail(Status::metadata, "__metadata__ has more than %zu entries", kMaxMetadata);
    std::string_view raw;
    bool escaped = false;
    if (!string(raw, escaped)) return false;
    if (key == kChecksumKey && !escaped) checksum_ = raw;
    const auto [entry, inserted] = container_.metadata.try_emplace(std::move(key));
    if (!inserted)
      return fail(Status::duplicate_name, "two metadata entries \"%s\"",
                  Printable(entry->first).text);
    entry->second = escaped ? unescape(raw) : std::string(raw);
    return true;
  }

  bool tensor(std::string_view name) {
    const Printable label(name);
    bool seen[3] = {};  // dtype, shape, data_offsets
    DType dtype = DType::F32;
    uint64_t shape[kMaxRank], offsets[2] = {};
    size_t rank = 0;
    std::string key_text;
    const bool good = object([&](std::string_view raw, bool escaped) {
      const std::string_view key = escaped ? std::string_view(key_text = unescape(raw)) : raw;
      const int member = key == "dtype" ? 0 : key == "shape" ? 1 : key == "data_offsets" ? 2 : -1;
      if (member < 0) return skip_value(1);
      if (seen[member])
        return fail(Status::duplicate_name, "tensor \"%s\": two members %s", label.text,
                    Printable(key).text);
      seen[member] = true;
      if (member == 0) return read_dtype(label, dtype);
      if (member == 1)
        return array([&] {
          if (rank == kMaxRank)
            return fail(Status::shape, "tensor \"%s\": more than %zu dimensions", label.text,
                        kMaxRank);
          return count(shape[rank++]);
        });
      return expect('[') && count(offsets[0]) && expect(',') && count(offsets[1]) && expect(']');
    });
    if (!good) return false;
    if (!seen[0] || !seen[1] || !seen[2])
      return fail(Status::syntax, "tensor \"%s\": dtype, shape or data_offsets is missing",
                  label.text);

    uint64_t bytes = 0;
    if (!tensor_bytes(shape, rank, dtype, bytes))
      return fail(Status::shape, "tensor \"%s\": the shape has more than 2^63 - 1 bytes", label.text);
    const auto [begin, end] = offsets;
    if (begin != next_ || end < begin)
      return fail(Status::offsets,
                  "tensor \"%s\": data_offsets [%" PRIu64 ", %" PRIu64 "], expected to begin at %" PRIu64,
                  label.text, begin, end, next_);
    if (end - begin != bytes)
      return fail(Status::size, "tensor \"%s\": %" PRIu64 " bytes of data, its shape has %" PRIu64,
                  label.text, end - begin, bytes);
    if (end > data_bytes_)
      return fail(Status::truncated,
                  "tensor \"%s\" ends at byte %" PRIu64 " of the data, the file has only %" PRIu64,
                  label.text, end, data_bytes_);
    next_ = end;
    container_.tensors.push_back(
        {name, dtype, std::vector<uint64_t>(shape, shape + rank), data_ + begin, bytes});
    return true;
  }

  bool read_dtype(const Printable& label, DType& dtype) {
    std::string_view raw;
    bool escaped = false;
    if (!string(raw, escaped)) return false;
    const std::string text = escaped ? unescape(raw) : std::string(raw.substr(0, 8));
    for (size_t i = 0; i < std::size(kDTypes); ++i)
      if (text == kDTypes[i].name) return dtype = static_cast<DType>(i), true;
    return fail(Status::dtype, "tensor \"%s\": dtype \"%s\", expected F32, F64, U64, I64 or U8",
                label.text, Printable(raw).text);
  }

  //-------------------------------------------------------------------------- the whole

  bool names_differ() {
    std::vector<std::string_view> names;
    names.reserve(container_.tensors.size());
    for (const TensorView& tensor : container_.tensors) names.push_back(tensor.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    return twice == names.end() ||
           fail(Status::duplicate_name, "two tensors \"%s\"", Printable(*twice).text);
  }

  bool is_ours() {
    const auto format = container_.metadata.find(kFormatKey);
    if (format == container_.metadata.end())
      return fail(Status::foreign, "not a checkpoint of streamdl: no metadata entry streamdl.format");
    if (format->second != kFormat)
      return fail(Status::unsupported_format, "checkpoint format \"%s\", this version reads \"1\"",
                  Printable(format->second).text);
    if (checksum_.size() != kNoChecksum.size())
      return fail(Status::checksum, "streamdl.checksum: expected 64 hex digits, got %zu characters",
                  checksum_.size());
    const uint8_t* digits = reinterpret_cast<const uint8_t*>(checksum_.data());
    Sha256 sha;
    sha.update(file_, static_cast<size_t>(digits - file_));
    sha.update(kNoChecksum.data(), kNoChecksum.size());
    digits += kNoChecksum.size();
    sha.update(digits, static_cast<size_t>(file_ + size_ - digits));
    const std::string found = sha.hex_digest();
    return found == checksum_ ||
           fail(Status::checksum, "the file is damaged: checksum %s, expected %s", found.c_str(),
                Printable(checksum_).text);
  }

  const uint8_t* file_;
  size_t size_;
  const uint8_t* at_;   // next byte of the header
  const uint8_t* end_;  // of the header
  const uint8_t* data_ = nullptr;
  uint64_t data_bytes_ = 0;
  uint64_t next_ = 0;          // where in the data the next tensor must begin
  std::string_view checksum_;  // its digits, in the file
  Container& container_;
  Error& error_;
};

//---------------------------------------------------------------------------- the writer

// What parse() would refuse of one tensor, but for its name's being taken.
Status check_tensor(const TensorView& tensor, Error& error) {
  const Printable label(tensor.name);
  uint64_t bytes = 0;
  if (tensor.name == kMetadataName || !is_utf8(tensor.name))
    return report(error, Status::utf8, 0, "tensor \"%s\": not a valid name", label.text);
  if (tensor.shape.size() > kMaxRank)
    return report(error, Status::shape, 0, "tensor \"%s\": more than %zu dimensions", label.text,
                  kMaxRank);
  if (!tensor_bytes(tensor.shape.data(), tensor.shape.size(), tensor.dtype, bytes))
    return report(error, Status::shape, 0, "tensor \"%s\": the shape has more than 2^63 - 1 bytes",
                  label.text);
  if (bytes != tensor.bytes)
    return report(error, Status::size, 0, "tensor \"%s\": %zu bytes of data, its shape has %" PRIu64,
                  label.text, tensor.bytes, bytes);
  return Status::ok;
}

void append_tensor(std::string& json, const TensorView& tensor, uint64_t begin) {
  append_string(json, tensor.name);
  json += ":{\"dtype\":\"";
  json += kDTypes[static_cast<size_t>(tensor.dtype)].name;
  json += "\",\"shape\":[";
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (i > 0) json += ',';
    json += std::to_string(tensor.shape[i]);
  }
  json += "],\"data_offsets\":[" + std::to_string(begin) + ',' +
          std::to_string(begin + tensor.bytes) + "]}";
}

Status serialize_checked(const Metadata& given, std::span<const TensorView> tensors,
                         const Sink& sink, Error& error) {
  Metadata metadata = given;
  metadata.insert_or_assign(std::string(kFormatKey), std::string(kFormat));
  metadata.insert_or_assign(std::string(kChecksumKey), std::string(kNoChecksum));
  if (metadata.size() > kMaxMetadata)
    return report(error, Status::metadata, 0, "%zu metadata entries, at most %zu", metadata.size(),
                  kMaxMetadata);
  for (const auto& [key, value] : metadata)
    if (!is_utf8(key) || !is_utf8(value))
      return report(error, Status::utf8, 0, "metadata \"%s\": not valid UTF-8", Printable(key).text);

  std::vector<const TensorView*> order;
  for (const TensorView& tensor : tensors) {
    if (check_tensor(tensor, error) != Status::ok) return error.status;
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    const size_t x = bytes_of(a->dtype), y = bytes_of(b->dtype);
    return x != y ? x > y : a->name < b->name;
  });

  std::string file(8, '\0');  // the part before the data
  file += "{\"__metadata__\":{";
  size_t checksum_at = 0;
  for (const auto& [key, value] : metadata) {
    if (file.back() != '{') file += ',';
    append_string(file, key);
    file += ':';
    if (key == kChecksumKey) checksum_at = file.size() + 1;
    append_string(file, value);
  }
  file += '}';
  std::vector<std::string_view> names;
  uint64_t begin = 0;
  for (const TensorView* tensor : order) {
    file += ',';
    append_tensor(file, *tensor, begin);
    begin += tensor->bytes;
    names.push_back(tensor->name);
  }
  file += '}';
  file.append((8 - file.size() % 8) % 8, ' ');
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end())
    return report(error, Status::duplicate_name, 0, "two tensors \"%s\"", Printable(*twice).text);
  const uint64_t header_bytes = file.size() - 8;
  if (header_bytes > kMaxHeaderBytes)
    return report(error, Status::header_too_large, 0, "the header has %" PRIu64 " bytes, at most %" PRIu64,
                  header_bytes, kMaxHeaderBytes);
  std::memcpy(file.data(), &header_bytes, 8);

  Sha256 sha;
  sha.update(file.data(), file.size());
  for (const TensorView* tensor : order) sha.update(tensor->data, tensor->bytes);
  file.replace(checksum_at, kNoChecksum.size(), sha.hex_digest());

  bool good = sink(file.data(), file.size());
  for (size_t i = 0; i < order.size() && good; ++i)
    if (order[i]->bytes > 0) good = sink(order[i]->data, order[i]->bytes);
  return good ? Status::ok : report(error, Status::write_failed, 0, "the sink refused the data");
}

}  // namespace

size_t bytes_of(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].bytes; }

Status parse(const uint8_t* file, size_t size, Container& container, Error& error) {
  error = Error();
  try {
    container = Container();
    Parser(file, size, container, error).run();
    return error.status;
  } catch (const std::bad_alloc&) {
    return report(error, Status::out_of_memory, 0, "not enough memory for the header");
  }
}

Status serialize(const Metadata& metadata, std::span<const TensorView> tensors, const Sink& sink,
                 Error& error) {
  error = Error();
  try {
    return serialize_checked(metadata, tensors, sink, error);
  } catch (const std::bad_alloc&) {
    return report(error, Status::out_of_memory, 0, "not enough memory for the header");
  }
}

}  // namespace streamdl::container
