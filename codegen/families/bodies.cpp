// SPDX-License-Identifier: Apache-2.0
#include "codegen/families/bodies.h"

namespace sinter {

const Body* Bodies::of(Vendor vendor) const {
  switch (vendor) {
    case Vendor::kHost: return host;
    case Vendor::kNvidia: return nvidia;
    case Vendor::kAmd: return amd;
  }
  return nullptr;
}

Result<void> resolve_tile(KernelSpec& spec, int tile) {
  std::int64_t& value = spec.values[static_cast<std::size_t>(tile)];
  if (value != kUnset) {
    return {};
  }
  const Body& body = *spec.family->body(spec.arch->vendor);
  const auto tiles = body.tiles(spec);
  if (!tiles.empty()) {
    value = pack_tile(tiles.front());
    return {};
  }
  // The plan of no tile says what the body lacks.
  value = 0;
  return body.plan(spec).error();
}

}  // namespace sinter
