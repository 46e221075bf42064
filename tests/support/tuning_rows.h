// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tuned rows as a tuner would have written them, for the candidates that this build has.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codegen/resolve.h"
#include "codegen/tuned_table.h"

namespace sinter::test {

inline TuningDevice tuning_device(std::string name = "H200", std::string arch = "sm_90a", std::int64_t units = 132) {
  return {.name = std::move(name), .arch = std::move(arch), .unit_count = units, .memory_mib = 143155, .clock_mhz = 1980};
}

inline KernelRequest grouped_gemm_request(std::int64_t n = 2816, std::int64_t k = 2048, std::int64_t groups = 64, std::int64_t rows = 24576) {
  KernelRequest request;
  request.family = find_family("grouped_gemm").value();
  for (const auto& [name, value] : {std::pair<const char*, std::int64_t>("n", n), {"k", k}, {"groups", groups}}) {
    set_param(request, name, value).value();
  }
  if (rows > 0) {
    set_param(request, "rows", rows).value();
  }
  return request;
}

inline KernelSpec resolved(const KernelRequest& request, const TuningDevice& device) {
  return resolve(request, {.arch = find_arch(device.arch)}).value();
}

/// A row that says `tile` of an open request, measured with `rows` rows, the largest group of `largest` (0: even).
inline TuningRow tuned_row(const TuningDevice& device, const KernelRequest& request, std::string_view tile, std::int64_t rows = 24576,
                           std::int64_t largest = 0) {
  const KernelSpec spec = resolved(request, device);
  const std::int64_t groups = spec[spec.family->param_index("groups")];
  TuningRow row;
  row.device = device;
  row.problem = {std::string(spec.family->name()), fixed_params(request, spec), rows, largest > 0 ? largest : (rows + groups - 1) / groups};
  row.choice = {{"tile", std::string(tile)}};
  row.unit = device.simulated ? TuningUnit::kWaveInstructions : TuningUnit::kMicroseconds;
  row.candidates = {{.choice = row.choice, .median = 100, .lowest = 99, .highest = 103, .samples = 5, .relative_error = 1.5e-3, .problem = {}},
                    {.choice = {{"tile", "1x1x1"}}, .problem = "refused"}};
  row.templates = template_digest(spec);
  row.driver = "13.0";
  row.writer = "sinter test";
  row.measured_unix_s = 1'700'000'000;
  return row;
}

}  // namespace sinter::test
