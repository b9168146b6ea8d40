#include "learner/safetensors_text.h"

#include <cstdarg>
#include <cstdio>

namespace streamdl::container {

//---------------------------------------------------------------------------- errors

Status report(Error& error, Status status, uint64_t byte, const char* format, ...) {
  error.status = status;
  error.byte = byte;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(error.message, sizeof error.message, format, arguments);
  va_end(arguments);
  return status;
}

Printable::Printable(std::string_view name) {
  size_t n = 0;
  for (const char c : name.substr(0, 60)) text[n++] = c >= 0x20 && c < 0x7f ? c : '?';
  if (name.size() > 60) n = n - 3, text[n++] = '.', text[n++] = '.', text[n++] = '.';
  text[n] = 0;
}

//---------------------------------------------------------------------------- shapes

size_t bytes_of(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].bytes; }

bool tensor_bytes(const uint64_t* shape, size_t rank, DType dtype, uint64_t& bytes) {
  uint64_t product = bytes_of(dtype);
  bool empty = false;
  for (size_t i = 0; i < rank; ++i) {
    if (shape[i] == 0) empty = true;
    else if (__builtin_mul_overflow(product, shape[i], &product) || product > INT64_MAX) return false;
  }
  bytes = empty ? 0 : product;
  return true;
}

//---------------------------------------------------------------------------- text

size_t utf8_length(const uint8_t* p, size_t left) {
  const uint8_t first = p[0];
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length > left) return 0;
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

namespace {

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

}  // namespace

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

}  // namespace streamdl::container
