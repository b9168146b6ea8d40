// Checkpoint files: what we write reads back byte for byte, and each kind of damage has its own
// error.
//
//   g++ -std=c++20 -O2 -Icsrc -Itests/csrc tests/csrc/learner/test_safetensors.cpp
//       csrc/learner/safetensors*.cpp csrc/learner/sha256.cpp
//
// `test_safetensors --write PATH` writes the sample file, for other readers to open.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "check.h"
#include "learner/safetensors.h"
#include "learner/sha256.h"

using namespace streamdl::container;

namespace {

const uint8_t* bytes_at(const void* p) { return static_cast<const uint8_t*>(p); }

// One tensor of each number type, an empty one, a scalar, names and metadata that need escapes.
struct Sample {
  float weight[6] = {1.5f, -2.0f, 0.0f, 3.25f, 1e-40f, -0.0f};
  double utility[2] = {0.1, -7.0};
  uint64_t ages[3] = {0, 1, UINT64_MAX};
  int64_t scalar = -5;
  uint8_t flags[5] = {1, 2, 3, 4, 255};
  Metadata metadata = {{"spec", "{\"inputs\": 3,\n\t\"path\": \"a\\b\"}"}, {"unicode", "gr\u00fc\u00df \U0001f40d"}};
  std::vector<TensorView> tensors = {
      {"flags", DType::U8, {5}, flags, 5},
      {"0.weight", DType::F32, {3, 2}, bytes_at(weight), 24},
      {"quote\"\x01\u00e9", DType::I64, {}, bytes_at(&scalar), 8},
      {"ages", DType::U64, {3}, bytes_at(ages), 24},
      {"utility", DType::F64, {1, 2}, bytes_at(utility), 16},
      {"empty", DType::F32, {4, 0, 2}, nullptr, 0},
  };
};

std::string write(const Metadata& metadata, const std::vector<TensorView>& tensors, Status expected = Status::ok) {
  std::string file;
  Error error;
  const Sink append = [&](const void* data, size_t bytes) {
    return file.append(static_cast<const char*>(data), bytes), true;
  };
  CHECK_EQUAL(serialize(metadata, tensors, append, error), expected);
  CHECK_EQUAL(error.status, expected);
  return file;
}

Status read(const std::string& file, Container& container, Error& error) {
  // Its own allocation of exactly this size, so that a sanitizer sees a read past the end.
  const std::vector<uint8_t> copy(file.begin(), file.end());
  return parse(copy.data(), copy.size(), container, error);
}

Status status_of(const std::string& file) {
  Container container;
  Error error;
  const Status status = read(file, container, error);
  CHECK_EQUAL(error.status, status);
  CHECK((error.message[0] != 0) == (status != Status::ok));
  CHECK(error.byte <= file.size());
  return status;
}

// A file of this header and data, with the checksum put right; what is in `header` is free.
std::string with_header(const std::string& header, const std::string& data = "") {
  const uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  file += header + data;
  const std::string zeros(64, '0');
  const size_t at = file.find(zeros);
  if (at == std::string::npos) return file;
  streamdl::Sha256 sha;
  sha.update(file.data(), file.size());
  return file.replace(at, 64, sha.hex_digest());
}

// The same with our two metadata entries in front.
std::string checkpoint(const std::string& entries, const std::string& data = "") {
  return with_header("{\"__metadata__\":{\"streamdl.checksum\":\"" + std::string(64, '0') +
                         "\",\"streamdl.format\":\"1\"}" + (entries.empty() ? "" : ",") + entries + "}",
                     data);
}

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape + "],\"data_offsets\":[" + offsets + "]}";
}

void round_trip() {
  const Sample sample;
  const std::string file = write(sample.metadata, sample.tensors);
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), 8);
  CHECK_EQUAL(header_bytes % 8, 0u);

  Container container;
  Error error;
  CHECK_EQUAL(parse(bytes_at(file.data()), file.size(), container, error), Status::ok);
  CHECK_EQUAL(container.metadata.size(), 4u);
  for (const auto& [key, value] : sample.metadata) CHECK_EQUAL(container.metadata[key], value);
  CHECK_EQUAL(container.tensors.size(), sample.tensors.size());
  for (const TensorView& want : sample.tensors) {
    bool found = false;
    for (const TensorView& got : container.tensors) {
      if (got.name != want.name) continue;
      found = true;
      CHECK_EQUAL(got.dtype, want.dtype);
      CHECK(got.shape == want.shape);
      CHECK_EQUAL(got.bytes, want.bytes);
      CHECK(want.bytes == 0 || std::memcmp(got.data, want.data, want.bytes) == 0);
      CHECK_EQUAL((got.data - bytes_at(file.data())) % static_cast<ptrdiff_t>(bytes_of(got.dtype)), 0);
    }
    CHECK(found);
  }
  CHECK(write(container.metadata, container.tensors) == file);

  // The order in which the tensors are given does not matter.
  const std::vector<TensorView> reversed(sample.tensors.rbegin(), sample.tensors.rend());
  CHECK(write(sample.metadata, reversed) == file);
  // A moved container keeps its names.
  const Container moved = std::move(container);
  CHECK(write(moved.metadata, moved.tensors) == file);
  // Nothing at all is a file too.
  CHECK_EQUAL(status_of(write({}, {})), Status::ok);
}

// Every truncation and every flipped bit is refused.
void every_bit_counts() {
  const Sample sample;
  const std::string file = write(sample.metadata, sample.tensors);
  for (size_t length = 0; length < file.size(); ++length) {
    const Status status = status_of(file.substr(0, length));
    if (!CHECK_EQUAL(status, Status::truncated)) break;
  }
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    if (!CHECK(status_of(damaged) != Status::ok)) std::printf("bit %zu went unnoticed\n", bit);
  }
  std::string damaged = file;
  damaged.back() ^= 1;
  CHECK_EQUAL(status_of(damaged), Status::checksum);
}

void damaged_headers() {
  const std::string data(8, 'x');
  const std::string a = tensor("a", "F32", "2", "0,8"), u8 = tensor("a", "U8", "8", "0,8");
  CHECK_EQUAL(status_of(checkpoint(a, data)), Status::ok);
  CHECK_EQUAL(status_of(checkpoint(u8, data)), Status::ok);

  std::string large(8, '\0');
  const uint64_t too_many = kMaxHeaderBytes + 1, all = UINT64_MAX;
  std::memcpy(large.data(), &too_many, 8);
  CHECK_EQUAL(status_of(large), Status::header_too_large);
  std::memcpy(large.data(), &all, 8);
  CHECK_EQUAL(status_of(large), Status::header_too_large);
  CHECK_EQUAL(status_of("1234567"), Status::truncated);

  CHECK_EQUAL(status_of(checkpoint(a, data + "y")), Status::offsets);
  CHECK_EQUAL(status_of(checkpoint(a, data.substr(1))), Status::truncated);
  CHECK_EQUAL(status_of(checkpoint(tensor("a", "U8", "6", "2,8"), data)), Status::offsets);
  CHECK_EQUAL(status_of(checkpoint(tensor("a", "U8", "8", "8,0"), data)), Status::offsets);
  CHECK_EQUAL(status_of(checkpoint(u8 + "," + tensor("b", "U8", "4", "4,8"), data)), Status::offsets);
  CHECK_EQUAL(status_of(checkpoint(tensor("a", "F32", "3", "0,8"), data)), Status::size);
  CHECK_EQUAL(status_of(checkpoint(tensor("a", "F64", "", "0,8"), data)), Status::ok);
  CHECK_EQUAL(status_of(checkpoint(tensor("a", "BF16", "4", "0,8"), data)), Status::dtype);
  CHECK_EQUAL(status_of(checkpoint(tensor("a", "U8xxxxxxx", "8", "0,8"), data)), Status::dtype);
  CHECK_EQUAL(status_of(checkpoint(u8 + "," + tensor("a", "U8", "0", "8,8"), data)), Status::duplicate_name);
  CHECK_EQUAL(status_of(checkpoint(u8 + "," + tensor("\\u0061", "U8", "0", "8,8"), data)), Status::duplicate_name);

  // Shapes: products that wrap around to something plausible, or hide behind a zero.
  const char* const shapes[] = {"4294967296,4294967296", "4611686018427387906", "0,9223372036854775808",
                                "9223372036854775807,0,3", "1,1,1,1,1,1,1,1,2"};
  for (const char* shape : shapes)
    CHECK_EQUAL(status_of(checkpoint(tensor("a", "F32", shape, "0,8"), data)), Status::shape);
  CHECK_EQUAL(status_of(checkpoint(tensor("a", "F32", "1,1,1,1,1,1,1,2", "0,8"), data)), Status::ok);
  CHECK_EQUAL(status_of(checkpoint(tensor("a", "U8", "0,5", "0,0"))), Status::ok);
}

void damaged_json() {
  const std::string data(8, 'x');
  const auto entry = [&](const std::string& members) { return checkpoint("\"a\":{" + members + "}", data); };
  const std::string good = "\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]";
  CHECK_EQUAL(status_of(entry(good)), Status::ok);
  // Members that a later version may add are skipped, whatever they hold.
  CHECK_EQUAL(status_of(entry(good + ",\"new\":[1,-2.5e+3,{\"x\":[true,false,null,\"\\n\"]},[],{}]")), Status::ok);
  CHECK_EQUAL(status_of(entry(" \n" + good + "\t\r")), Status::ok);

  // clang-format off
  const char* const wrong[] = {
      "\"shape\":[8],\"data_offsets\":[0,8]",                          // no dtype
      "\"dtype\":\"U8\",\"shape\":[8]",                                // no offsets
      "\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8],",        // trailing comma
      "\"dtype\":\"U8\",\"shape\":[8,],\"data_offsets\":[0,8]",        //
      "\"dtype\":\"U8\",\"shape\":[08],\"data_offsets\":[0,8]",        // leading zero
      "\"dtype\":\"U8\",\"shape\":[-8],\"data_offsets\":[0,8]",        // sign
      "\"dtype\":\"U8\",\"shape\":[8.0],\"data_offsets\":[0,8]",       // fraction
      "\"dtype\":\"U8\",\"shape\":[8e0],\"data_offsets\":[0,8]",       // exponent
      "\"dtype\":\"U8\",\"shape\":[18446744073709551624],\"data_offsets\":[0,8]",  // 2^64 + 8
      "\"dtype\":\"U8\",\"shape\":8,\"data_offsets\":[0,8]",           // not a list
      "\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8,8]",       // three offsets
      "\"dtype\":8,\"shape\":[8],\"data_offsets\":[0,8]",              // not a string
      "\"dtype\":\"U8\" \"shape\":[8],\"data_offsets\":[0,8]",         // no comma
      "dtype:\"U8\",\"shape\":[8],\"data_offsets\":[0,8]",             // no quotes
      "\"x\":tru,\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]",
      "\"x\":1.,\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]",
      "\"x\":\"\n\",\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]",
      "\"x\":\"\\x\",\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]",
      "\"x\":\"\\u12g4\",\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]"};
  // clang-format on
  for (const char* members : wrong) CHECK_EQUAL(status_of(entry(members)), Status::syntax);
  CHECK_EQUAL(status_of(entry(good + ",\"dtype\":\"U8\"")), Status::duplicate_name);

  for (const int depth : {1, kMaxDepth - 1, kMaxDepth, kMaxDepth + 1, 100000}) {
    const std::string nested = std::string(depth, '[') + std::string(depth, ']');
    CHECK_EQUAL(status_of(entry(good + ",\"x\":" + nested)), depth <= kMaxDepth ? Status::ok : Status::syntax);
  }
  // An unclosed header never reads on into the data.
  const std::string whole = entry(good), header = whole.substr(8, whole.size() - 16);
  for (size_t cut = 0; cut < header.size(); ++cut) {
    const Status status = status_of(with_header(header.substr(0, cut), header.substr(cut) + data));
    CHECK(status == Status::syntax || status == Status::truncated);
  }
  // Nor past the end of the file, wherever in an escape, a character or a literal it stops.
  const std::string odd = "{\"\\ud83d\\udc0d\u00e9\\n\":{\"x\":[true,null,-1.5e+3,\"\\u0041\"]";
  for (size_t cut = 0; cut <= odd.size(); ++cut) {
    const Status status = status_of(with_header(odd.substr(0, cut)));
    CHECK(status == Status::syntax || status == Status::utf8);
  }
  CHECK_EQUAL(status_of(with_header(" " + header, data)), Status::syntax);
  CHECK_EQUAL(status_of(with_header(header + "  x", data)), Status::syntax);
  CHECK_EQUAL(status_of(with_header(header + "\n", data)), Status::syntax);
  CHECK_EQUAL(status_of(with_header("[]", data)), Status::syntax);
}

void text() {
  const auto named = [](const std::string& name) { return checkpoint(tensor(name, "U8", "0", "0,0")); };
  const struct {
    const char* json;
    const char* utf8;
  } good[] = {{"\\u00e9", "\u00e9"},
              {"\\ud83d\\udc0d", "\U0001f40d"},
              {"\\\"\\\\\\/", "\"\\/"},
              {"\\b\\f\\n\\r\\t", "\b\f\n\r\t"},
              {"\u00e9\u20ac\U0001f40d", "\u00e9\u20ac\U0001f40d"},
              {"\\uFFFF", "\uffff"}};
  for (const auto& [json, utf8] : good) {
    const std::string file = named(json);
    Container container;
    Error error;
    CHECK_EQUAL(parse(bytes_at(file.data()), file.size(), container, error), Status::ok);
    if (CHECK_EQUAL(container.tensors.size(), 1u)) CHECK_EQUAL(container.tensors[0].name, utf8);
  }
  const char* const bad[] = {"\\ud83d",  "\\ud83d\\u0041", "\\udc0d",      "\\ud83dx\\udc0d",  "\x80",
                             "\xc0\xaf", "\xe0\x80\xaf",   "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                             "\xc3",     "\xf0\x9f\x90"};
  for (const char* json : bad) CHECK_EQUAL(status_of(named(json)), Status::utf8);
}

void metadata() {
  const std::string zeros(64, '0'), sum = "\"streamdl.checksum\":\"" + zeros + "\"",
                                    format = "\"streamdl.format\":\"1\"";
  const auto file = [](const std::string& entries) { return with_header("{\"__metadata__\":{" + entries + "}}"); };
  CHECK_EQUAL(status_of(file(sum + "," + format)), Status::ok);
  CHECK_EQUAL(status_of(with_header("{}")), Status::foreign);
  CHECK_EQUAL(status_of(file(sum)), Status::foreign);
  CHECK_EQUAL(status_of(file(sum + ",\"streamdl.format\":\"2\"")), Status::unsupported_format);
  CHECK_EQUAL(status_of(file(format)), Status::checksum);
  CHECK_EQUAL(status_of(file(format + ",\"streamdl.checksum\":\"0\"")), Status::checksum);
  CHECK_EQUAL(status_of(file(sum + "," + format + ",\"a\":1")), Status::syntax);
  CHECK_EQUAL(status_of(file(sum + "," + format + ",\"a\":\"\",\"\\u0061\":\"\"")), Status::duplicate_name);
  CHECK_EQUAL(status_of(with_header("{\"__metadata__\":{" + sum + "," + format + "},\"__metadata__\":{}}")),
              Status::duplicate_name);
  std::string many = sum + "," + format;
  for (size_t i = 2; i < kMaxMetadata; ++i) many += ",\"" + std::to_string(i) + "\":\"\"";
  CHECK_EQUAL(status_of(file(many)), Status::ok);
  CHECK_EQUAL(status_of(file(many + ",\"one too many\":\"\"")), Status::metadata);
}

// The writer refuses what the reader would, before anything reaches the sink.
void refused_to_write() {
  const uint8_t data[16] = {};
  const std::string long_name(70, 'n');
  CHECK(write({}, {{"a", DType::F32, {3}, data, 16}}, Status::size).empty());
  CHECK(write({}, {{"a", DType::U8, {1}, data, 1}, {"a", DType::F32, {1}, data, 4}}, Status::duplicate_name).empty());
  CHECK(write({}, {{"a", DType::F64, {1ull << 62, 0}, data, 0}}, Status::shape).empty());
  CHECK(write({}, {{"a", DType::U8, {1, 1, 1, 1, 1, 1, 1, 1, 1}, data, 1}}, Status::shape).empty());
  CHECK(write({}, {{"__metadata__", DType::U8, {1}, data, 1}}, Status::utf8).empty());
  CHECK(write({}, {{"\xff", DType::U8, {1}, data, 1}}, Status::utf8).empty());
  CHECK(write({{"\xff", ""}}, {}, Status::utf8).empty());
  CHECK(write({}, {{long_name, DType::U8, {2}, data, 1}}, Status::size).empty());
  Metadata many;
  for (size_t i = 0; i < kMaxMetadata; ++i) many[std::to_string(i)] = "";
  CHECK(write(many, {}, Status::metadata).empty());

  // A sink that refuses its nth piece.
  const Sample sample;
  for (int n = 0; n < 6; ++n) {
    int left = n;
    Error error;
    const Sink sink = [&](const void*, size_t) { return left-- > 0; };
    CHECK_EQUAL(serialize(sample.metadata, sample.tensors, sink, error), Status::write_failed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--write") == 0) {
    const Sample sample;
    std::ofstream(argv[2], std::ios::binary) << write(sample.metadata, sample.tensors);
    return check_result();
  }
  round_trip();
  every_bit_counts();
  damaged_headers();
  damaged_json();
  text();
  metadata();
  refused_to_write();
  return check_result();
}
