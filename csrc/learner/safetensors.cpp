#include "learner/safetensors.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <new>

#include "learner/safetensors_text.h"
#include "learner/sha256.h"

namespace streamdl::container {
namespace {

// Reads the header by recursive descent. Every function returns false after it has reported.
class Parser {
 public:
  Parser(const uint8_t* file, size_t size, Container& container, Error& error)
      : file_(file), size_(size), at_(file), end_(file), container_(container), error_(error) {}

  bool run() {
    if (size_ < 8) return fail(Status::truncated, "the file has %zu bytes, expected at least 8", size_);
    uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, file_, 8);
    if (header_bytes > kMaxHeaderBytes)
      return fail(Status::header_too_large, "the header has %" PRIu64 " bytes, at most %" PRIu64, header_bytes,
                  kMaxHeaderBytes);
    if (header_bytes > size_ - 8)
      return fail(Status::truncated, "the header has %" PRIu64 " bytes, the file only %zu after it", header_bytes,
                  size_ - 8);
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
      if (*at_ < 0x20) return fail(Status::syntax, "header: control byte 0x%02x in a string, expected an escape", *at_);
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
    if (high > 0xdbff || end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u' || !unicode_escape(low) || low < 0xdc00 ||
        low > 0xdfff)
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
    if (*start == '0' && at_ - start > 1) return at_ = start, fail(Status::syntax, "header: a number starts with 0");
    value = 0;
    for (const uint8_t* p = start; p < at_; ++p)
      if (__builtin_mul_overflow(value, uint64_t{10}, &value) ||
          __builtin_add_overflow(value, uint64_t(*p - '0'), &value))
        return at_ = start, fail(Status::syntax, "header: a number is above 2^64 - 1");
    return true;
  }

  // Any JSON value: a member that this version does not know.
  bool skip_value(int depth) {
    if (depth > kMaxDepth) return fail(Status::syntax, "header: nested deeper than %d", kMaxDepth);
    std::string_view raw;
    bool escaped = false;
    switch (peek()) {
      case '"': return string(raw, escaped);
      case '{': return object([&](std::string_view, bool) { return skip_value(depth + 1); });
      case '[': return array([&] { return skip_value(depth + 1); });
      case 't': return literal("true");
      case 'f': return literal("false");
      case 'n': return literal("null");
      default: return skip_number();
    }
  }

  bool literal(std::string_view word) {
    if (static_cast<size_t>(end_ - at_) < word.size() || std::memcmp(at_, word.data(), word.size()) != 0)
      return fail(Status::syntax, "header: expected %s", word.data());
    at_ += word.size();
    return true;
  }

  bool skip_number() {
    const auto next_is = [&](uint8_t c) { return at_ < end_ && *at_ == c; };
    if (next_is('-')) ++at_;
    const uint8_t* start = at_;
    if (!digits()) return false;
    if (*start == '0' && at_ - start > 1) return at_ = start, fail(Status::syntax, "header: a number starts with 0");
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
    if (at_ == end_ || *at_ != '{') return fail(Status::syntax, "header: expected '{' as its first byte");
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
    if (at_ != end_) return fail(Status::syntax, "header: expected only spaces after '}', got byte 0x%02x", *at_);
    if (next_ != data_bytes_)
      return fail(Status::offsets, "the tensors have %" PRIu64 " bytes, the file has %" PRIu64, next_, data_bytes_);
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
    if (!inserted) return fail(Status::duplicate_name, "two metadata entries \"%s\"", Printable(entry->first).text);
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
        return fail(Status::duplicate_name, "tensor \"%s\": two members %s", label.text, Printable(key).text);
      seen[member] = true;
      if (member == 0) return read_dtype(label, dtype);
      if (member == 1)
        return array([&] {
          if (rank == kMaxRank)
            return fail(Status::shape, "tensor \"%s\": more than %zu dimensions", label.text, kMaxRank);
          return count(shape[rank++]);
        });
      return expect('[') && count(offsets[0]) && expect(',') && count(offsets[1]) && expect(']');
    });
    if (!good) return false;
    if (!seen[0] || !seen[1] || !seen[2])
      return fail(Status::syntax, "tensor \"%s\": dtype, shape or data_offsets is missing", label.text);

    uint64_t bytes = 0;
    if (!tensor_bytes(shape, rank, dtype, bytes))
      return fail(Status::shape, "tensor \"%s\": the shape has more than 2^63 - 1 bytes", label.text);
    const auto [begin, end] = offsets;
    if (begin != next_ || end < begin)
      return fail(Status::offsets,
                  "tensor \"%s\": data_offsets [%" PRIu64 ", %" PRIu64 "], expected to begin at %" PRIu64, label.text,
                  begin, end, next_);
    if (end - begin != bytes)
      return fail(Status::size, "tensor \"%s\": %" PRIu64 " bytes of data, its shape has %" PRIu64, label.text,
                  end - begin, bytes);
    if (end > data_bytes_)
      return fail(Status::truncated, "tensor \"%s\" ends at byte %" PRIu64 " of the data, the file has only %" PRIu64,
                  label.text, end, data_bytes_);
    next_ = end;
    container_.tensors.push_back({name, dtype, std::vector<uint64_t>(shape, shape + rank), data_ + begin, bytes});
    return true;
  }

  bool read_dtype(const Printable& label, DType& dtype) {
    std::string_view raw;
    bool escaped = false;
    if (!string(raw, escaped)) return false;
    const std::string text = escaped ? unescape(raw) : std::string(raw.substr(0, 8));
    for (size_t i = 0; i < std::size(kDTypes); ++i)
      if (text == kDTypes[i].name) return dtype = static_cast<DType>(i), true;
    return fail(Status::dtype, "tensor \"%s\": dtype \"%s\", expected F32, F64, U64, I64 or U8", label.text,
                Printable(raw).text);
  }

  //-------------------------------------------------------------------------- the whole

  bool names_differ() {
    std::vector<std::string_view> names;
    names.reserve(container_.tensors.size());
    for (const TensorView& tensor : container_.tensors) names.push_back(tensor.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    return twice == names.end() || fail(Status::duplicate_name, "two tensors \"%s\"", Printable(*twice).text);
  }

  bool is_ours() {
    const auto format = container_.metadata.find(kFormatKey);
    if (format == container_.metadata.end())
      return fail(Status::foreign, "not a checkpoint of streamdl: no metadata entry streamdl.format");
    if (format->second != kFormat)
      return fail(Status::unsupported_format, "checkpoint format \"%s\", this version reads \"1\"",
                  Printable(format->second).text);
    if (checksum_.size() != kNoChecksum.size())
      return fail(Status::checksum, "streamdl.checksum: expected 64 hex digits, got %zu characters", checksum_.size());
    const uint8_t* digits = reinterpret_cast<const uint8_t*>(checksum_.data());
    Sha256 sha;
    sha.update(file_, static_cast<size_t>(digits - file_));
    sha.update(kNoChecksum.data(), kNoChecksum.size());
    digits += kNoChecksum.size();
    sha.update(digits, static_cast<size_t>(file_ + size_ - digits));
    const std::string found = sha.hex_digest();
    return found == checksum_ || fail(Status::checksum, "the file is damaged: checksum %s, expected %s", found.c_str(),
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

}  // namespace

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

}  // namespace streamdl::container
