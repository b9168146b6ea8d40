#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstring>
#include <new>

#include "learner/safetensors.h"
#include "learner/safetensors_text.h"
#include "learner/sha256.h"

// Tensors are written as they lie in memory.
static_assert(std::endian::native == std::endian::little);

namespace streamdl::container {
namespace {

// What parse() would refuse of one tensor, but for its name's being taken.
Status check_tensor(const TensorView& tensor, Error& error) {
  const Printable label(tensor.name);
  uint64_t bytes = 0;
  if (tensor.name == kMetadataName || !is_utf8(tensor.name))
    return report(error, Status::utf8, 0, "tensor \"%s\": not a valid name", label.text);
  if (tensor.shape.size() > kMaxRank)
    return report(error, Status::shape, 0, "tensor \"%s\": more than %zu dimensions", label.text, kMaxRank);
  if (!tensor_bytes(tensor.shape.data(), tensor.shape.size(), tensor.dtype, bytes))
    return report(error, Status::shape, 0, "tensor \"%s\": the shape has more than 2^63 - 1 bytes", label.text);
  if (bytes != tensor.bytes)
    return report(error, Status::size, 0, "tensor \"%s\": %zu bytes of data, its shape has %" PRIu64, label.text,
                  tensor.bytes, bytes);
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
  json += "],\"data_offsets\":[" + std::to_string(begin) + ',' + std::to_string(begin + tensor.bytes) + "]}";
}

Status serialize_checked(const Metadata& given, std::span<const TensorView> tensors, const Sink& sink, Error& error) {
  Metadata metadata = given;
  metadata.insert_or_assign(std::string(kFormatKey), std::string(kFormat));
  metadata.insert_or_assign(std::string(kChecksumKey), std::string(kNoChecksum));
  if (metadata.size() > kMaxMetadata)
    return report(error, Status::metadata, 0, "%zu metadata entries, at most %zu", metadata.size(), kMaxMetadata);
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

Status serialize(const Metadata& metadata, std::span<const TensorView> tensors, const Sink& sink, Error& error) {
  error = Error();
  try {
    return serialize_checked(metadata, tensors, sink, error);
  } catch (const std::bad_alloc&) {
    return report(error, Status::out_of_memory, 0, "not enough memory for the header");
  }
}

}  // namespace streamdl::container
