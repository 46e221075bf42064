// SPDX-License-Identifier: Apache-2.0
#include "base/worker_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/cbor_message.h"
#include "base/cbor_shape.h"

namespace sinter::protocol {
namespace {

using Json = nlohmann::json;
using Bytes = std::vector<std::byte>;

Error bad_message(std::string_view why) {
  return make_error(ErrorCode::kInternal, fmt::format("malformed worker message: {}", why));
}

Result<Json> parse(const Bytes& frame) {
  SINTER_TRY_VOID(check_cbor_shape(frame));
  Json message = Json::from_cbor(frame, /*strict=*/true, /*allow_exceptions=*/false);
  if (!message.is_object()) {
    return bad_message("it is not a map");
  }
  return message;
}

/// Reads the fields of one map. The first wrong one is remembered; finish() also refuses fields nobody asked for.
class Fields {
 public:
  explicit Fields(Json& map) : map_(map) {
    if (!map_.is_object()) {
      fail("a value that should be a map is not");
    }
  }

  void read(const char* name, std::string& out) { take(name, out, &Json::is_string); }
  void read(const char* name, bool& out) { take(name, out, &Json::is_boolean); }

  /// Finite: a database keeps no NaN.
  void read(const char* name, double& out) {
    take(name, out, &Json::is_number);
    if (!std::isfinite(out)) {
      fail(fmt::format("\"{}\" is {}", name, out));
    }
  }

  void read(const char* name, std::uint32_t& out) {
    std::uint64_t value = 0;
    take(name, value, &Json::is_number_unsigned);
    if (value > std::numeric_limits<std::uint32_t>::max()) {
      fail(fmt::format("\"{}\" is {}", name, value));
    }
    out = static_cast<std::uint32_t>(value);
  }

  void read(const char* name, Bytes& out) {
    if (Json* field = find(name, &Json::is_binary)) {
      const Json::binary_t& bytes = field->get_binary();
      out.resize(bytes.size());
      std::transform(bytes.begin(), bytes.end(), out.begin(), [](std::uint8_t b) { return std::byte{b}; });
    }
  }

  void read(const char* name, std::vector<std::string>& out) {
    read_each(name, [&](Json& element) {
      if (!element.is_string()) {
        fail(fmt::format("\"{}\" holds something that is not text", name));
        return;
      }
      out.push_back(std::move(element.get_ref<std::string&>()));
    });
  }

  /// An array of maps; `read_element` gets each one's Fields and a new element.
  template <class T, class ReadElement>
  void read(const char* name, std::vector<T>& out, ReadElement read_element) {
    read_each(name, [&](Json& element) {
      Fields fields(element);
      read_element(fields, out.emplace_back());
      if (Result<void> done = fields.finish(); !done) {
        fail(done.error().message);
      }
    });
  }

  Result<void> finish() {
    if (problem_.empty() && map_.size() != seen_) {
      fail(fmt::format("{} fields where {} are known", map_.size(), seen_));
    }
    if (!problem_.empty()) {
      return bad_message(problem_);
    }
    return {};
  }

 private:
  using IsKind = bool (Json::*)() const noexcept;

  Json* find(const char* name, IsKind is_kind) {
    ++seen_;
    if (!map_.is_object()) {
      return nullptr;
    }
    const auto it = map_.find(name);
    if (it == map_.end()) {
      fail(fmt::format("\"{}\" is missing", name));
      return nullptr;
    }
    if (!((*it).*is_kind)()) {
      fail(fmt::format("\"{}\" is of type {}", name, it->type_name()));
      return nullptr;
    }
    return &*it;
  }

  template <class T>
  void take(const char* name, T& out, IsKind is_kind) {
    if (Json* field = find(name, is_kind)) {
      if constexpr (std::is_same_v<T, std::string>) {
        out = std::move(field->get_ref<std::string&>());
      } else {
        out = field->get<T>();
      }
    }
  }

  template <class ReadElement>
  void read_each(const char* name, ReadElement read_element) {
    if (Json* field = find(name, &Json::is_array)) {
      for (Json& element : *field) {
        read_element(element);
      }
    }
  }

  void fail(std::string why) {
    if (problem_.empty()) {
      problem_ = std::move(why);
    }
  }

  Json& map_;
  std::size_t seen_ = 0;
  std::string problem_;
};

/// Decodes one message: `read_fields` names every field but "type".
template <class T, class ReadFields>
Result<T> decode(const Bytes& frame, std::string_view type, ReadFields read_fields) {
  SINTER_TRY(Json map, parse(frame));
  Fields fields(map);
  std::string found;
  T message;
  fields.read("type", found);
  read_fields(fields, message);
  if (found != type) {
    return bad_message(fmt::format("its type is \"{:.40}\", not \"{}\"", found, type));
  }
  SINTER_TRY_VOID(fields.finish());
  return message;
}

}  // namespace

std::vector<std::byte> encode(const Hello& message) {
  Json backends = Json::array();
  for (const BackendInfo& backend : message.backends) {
    backends.push_back({{"backend", backend.backend},
                        {"version", backend.version},
                        {"identity", backend.identity},
                        {"library", backend.library},
                        {"archs", backend.archs},
                        {"files", backend.files}});
  }
  return cbor_frame({{"type", "hello"},
                     {"version", message.version},
                     {"worker", message.worker},
                     {"backends", std::move(backends)},
                     {"problems", message.problems}});
}

std::vector<std::byte> encode(const CompileRequest& message) {
  Json headers = Json::array();
  for (const NamedText& header : message.headers) {
    headers.push_back({{"name", header.name}, {"text", header.text}});
  }
  return cbor_frame({{"type", "compile"},
                     {"backend", message.backend},
                     {"arch", message.arch},
                     {"entry", message.entry},
                     {"source", message.source},
                     {"headers", std::move(headers)},
                     {"options", message.options}});
}

std::vector<std::byte> encode(const CompileReply& message) {
  return cbor_frame({{"type", "compiled"},
                     {"ok", message.ok},
                     {"error", message.error},
                     {"log", message.log},
                     {"format", message.format},
                     {"code", cbor_binary(message.code)},
                     {"facts", message.facts},
                     {"milliseconds", message.milliseconds}});
}

std::vector<std::byte> encode(const InspectRequest& message) {
  return cbor_frame({{"type", "inspect"},
                     {"format", message.format},
                     {"entry", message.entry},
                     {"code", cbor_binary(message.code)}});
}

std::vector<std::byte> encode(const InspectReply& message) {
  return cbor_frame({{"type", "inspected"},
                     {"ok", message.ok},
                     {"error", message.error},
                     {"facts", message.facts},
                     {"disassembly", message.disassembly}});
}

Result<std::string> message_type(const std::vector<std::byte>& frame) {
  SINTER_TRY(Json map, parse(frame));
  const auto type = map.find("type");
  if (type == map.end() || !type->is_string()) {
    return bad_message("it has no \"type\"");
  }
  return type->get<std::string>();
}

Result<Hello> decode_hello(const std::vector<std::byte>& frame) {
  return decode<Hello>(frame, "hello", [](Fields& fields, Hello& message) {
    fields.read("version", message.version);
    fields.read("worker", message.worker);
    fields.read("backends", message.backends, [](Fields& element, BackendInfo& backend) {
      element.read("backend", backend.backend);
      element.read("version", backend.version);
      element.read("identity", backend.identity);
      element.read("library", backend.library);
      element.read("archs", backend.archs);
      element.read("files", backend.files);
    });
    fields.read("problems", message.problems);
  });
}

Result<CompileRequest> decode_compile_request(const std::vector<std::byte>& frame) {
  return decode<CompileRequest>(frame, "compile", [](Fields& fields, CompileRequest& message) {
    fields.read("backend", message.backend);
    fields.read("arch", message.arch);
    fields.read("entry", message.entry);
    fields.read("source", message.source);
    fields.read("headers", message.headers, [](Fields& element, NamedText& header) {
      element.read("name", header.name);
      element.read("text", header.text);
    });
    fields.read("options", message.options);
  });
}

Result<CompileReply> decode_compile_reply(const std::vector<std::byte>& frame) {
  return decode<CompileReply>(frame, "compiled", [](Fields& fields, CompileReply& message) {
    fields.read("ok", message.ok);
    fields.read("error", message.error);
    fields.read("log", message.log);
    fields.read("format", message.format);
    fields.read("code", message.code);
    fields.read("facts", message.facts);
    fields.read("milliseconds", message.milliseconds);
  });
}

Result<InspectRequest> decode_inspect_request(const std::vector<std::byte>& frame) {
  return decode<InspectRequest>(frame, "inspect", [](Fields& fields, InspectRequest& message) {
    fields.read("format", message.format);
    fields.read("entry", message.entry);
    fields.read("code", message.code);
  });
}

Result<InspectReply> decode_inspect_reply(const std::vector<std::byte>& frame) {
  return decode<InspectReply>(frame, "inspected", [](Fields& fields, InspectReply& message) {
    fields.read("ok", message.ok);
    fields.read("error", message.error);
    fields.read("facts", message.facts);
    fields.read("disassembly", message.disassembly);
  });
}

}  // namespace sinter::protocol
