// SPDX-License-Identifier: Apache-2.0
#include "runtime/metrics.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "runtime/version.h"

namespace sinter {
namespace {

/// One family of the text: HELP, TYPE, then its samples.
class Writer {
 public:
  void begin(std::string_view name, std::string_view type, std::string_view help) {
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  /// `labels` as they stand between the braces; empty for none.
  void sample(std::string_view name, std::string_view labels, std::int64_t value) {
    text_ += labels.empty() ? fmt::format("{} {}\n", name, value) : fmt::format("{}{{{}}} {}\n", name, labels, value);
  }
  void counter(std::string_view name, std::string_view help, std::int64_t value) {
    begin(name, "counter", help);
    sample(name, "", value);
  }
  void histogram(std::string_view name, std::string_view help, const Histogram::Snapshot& snapshot) {
    begin(name, "histogram", help);
    // Buckets of this format count everything up to their bound.
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < snapshot.counts.size(); ++i) {
      sum += snapshot.counts[i];
      const std::string bound =
          i < Histogram::kBounds.size() ? fmt::format("{}", Histogram::kBounds[i]) : std::string("+Inf");
      sample(fmt::format("{}_bucket", name), fmt::format("le=\"{}\"", bound), sum);
    }
    text_ += fmt::format("{}_sum {}\n{}_count {}\n", name, snapshot.seconds, name, sum);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

std::string prometheus_text(const RuntimeMetrics& metrics) {
  const RuntimeCounters& counters = metrics.counters;
  const CacheCounters& cache = counters.cache;
  Writer writer;
  writer.begin("sinter_build_info", "gauge", "The version of Sinter; always 1.");
  writer.sample("sinter_build_info", fmt::format("version=\"{}\"", kVersion), 1);

  writer.begin("sinter_cache_hits_total", "counter", "Lookups that a layer of the cache answered.");
  const std::pair<std::string_view, std::int64_t> layers[] = {{"memory", cache.memory_hits},
                                                              {"local", cache.local_hits},
                                                              {"bundle", cache.bundle_hits},
                                                              {"remote", cache.remote.hits}};
  for (const auto& [layer, hits] : layers) {
    writer.sample("sinter_cache_hits_total", fmt::format("layer=\"{}\"", layer), hits);
  }
  writer.counter("sinter_cache_misses_total", "Lookups that no layer of this node answered.", cache.misses);
  writer.counter("sinter_cache_stores_total", "Code objects that reached the local database.", cache.stores);
  writer.counter("sinter_cache_damaged_total", "Entries that failed their checks.", cache.bad_entries);
  writer.counter("sinter_cache_faults_total", "Operations that the storage failed.", cache.storage_faults);

  writer.counter("sinter_compiles_total", "Compiles that were started.", counters.compiles);
  writer.counter("sinter_compiles_failed_total", "Compiles that failed.", counters.failed_compiles);
  writer.counter("sinter_compiles_late_total", "Compiles that were wanted after the warm-up.", counters.late_compiles);
  writer.counter("sinter_loads_late_total", "Loads of stored kernels after the warm-up.", counters.late_loads);
  writer.counter("sinter_requests_refused_total", "Requests that got no kernel.", counters.refused);
  writer.counter("sinter_stand_ins_total", "Requests that were given a stand-in.", counters.stand_ins);
  writer.counter("sinter_swaps_total", "Stand-ins that were replaced.", counters.swaps);
  writer.counter("sinter_background_failures_total", "Builds in the background that failed.",
                 counters.background_failures);
  writer.begin("sinter_golden_checks_total", "counter", "Kernels that a golden check tried, or had to leave out.");
  const std::pair<std::string_view, std::int64_t> verdicts[] = {
      {"right", counters.golden.passed}, {"wrong", counters.golden.failed}, {"left_out", counters.golden.left_out}};
  for (const auto& [verdict, count] : verdicts) {
    writer.sample("sinter_golden_checks_total", fmt::format("verdict=\"{}\"", verdict), count);
  }
  writer.begin("sinter_background_builds", "gauge", "Builds in the background that wait or run now.");
  writer.sample("sinter_background_builds", "", counters.background);

  writer.histogram("sinter_lookup_seconds", "Lookups beyond memory: the database and bundles.", metrics.lookup);
  writer.histogram("sinter_queue_seconds", "Waits of a compile for a place and for a worker.", metrics.queue);
  writer.histogram("sinter_compile_seconds", "Compiles, from the request to the compiler's answer.", metrics.compile);
  writer.histogram("sinter_load_seconds", "Loads of code objects into a driver.", metrics.load);
  return writer.take();
}

}  // namespace sinter
