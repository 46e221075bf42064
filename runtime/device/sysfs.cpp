// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/sysfs.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <system_error>

namespace sinter {

namespace {

constexpr std::size_t kDomainDigits = 4;

/// kfd_ioctl_get_version_args and AMDKFD_IOC_GET_VERSION of linux/kfd_ioctl.h, which needs headers of DRM.
struct KfdVersion {
  std::uint32_t major = 0, minor = 0;
};
constexpr unsigned long kGetKfdVersion = _IOR('K', 0x01, KfdVersion);

std::string first_line(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

std::optional<std::uint32_t> hex_value(std::string_view text) {
  if (!text.starts_with("0x")) {
    return std::nullopt;
  }
  text.remove_prefix(2);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::string canonical_pci_bus(std::string_view bus) {
  while (bus.starts_with('0') && bus.find(':') != std::string_view::npos && bus.find(':') > kDomainDigits) {
    bus.remove_prefix(1);
  }
  std::string canonical(bus);
  for (char& letter : canonical) {
    if (letter >= 'A' && letter <= 'F') {
      letter = static_cast<char>(letter - 'A' + 'a');
    }
  }
  return canonical;
}

PciIds read_pci_ids(const std::filesystem::path& sys, std::string_view pci_bus) {
  if (pci_bus.empty()) {
    return {};
  }
  const std::filesystem::path device = sys / "bus/pci/devices" / canonical_pci_bus(pci_bus);
  return {hex_value(first_line(device / "vendor")), hex_value(first_line(device / "device"))};
}

std::string read_amdgpu_version(const std::filesystem::path& sys) {
  const std::filesystem::path module = sys / "module/amdgpu";
  if (std::string version = first_line(module / "version"); !version.empty()) {
    return version;
  }
  const std::string source = first_line(module / "srcversion");
  return source.empty() ? source : "srcversion:" + source;
}

std::string read_kfd_version(const std::filesystem::path& device) {
  const int file = ::open(device.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) {
    return {};
  }
  KfdVersion version;
  const bool is_kfd = ::ioctl(file, kGetKfdVersion, &version) == 0;
  ::close(file);
  return is_kfd ? std::to_string(version.major) + "." + std::to_string(version.minor) : std::string();
}

}  // namespace sinter
