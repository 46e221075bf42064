// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/sysfs.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

namespace sinter {
namespace {

/// A directory in place of /sys.
class FakeSys {
 public:
  FakeSys() : root_(std::filesystem::temp_directory_path() / ("sinter_sysfs_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(root_);
  }
  ~FakeSys() { std::filesystem::remove_all(root_); }
  FakeSys(const FakeSys&) = delete;
  FakeSys& operator=(const FakeSys&) = delete;

  void write(const std::filesystem::path& file, const std::string& text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
};

}  // namespace

TEST_CASE("a bus id is spelled as sysfs spells it") {
  CHECK(canonical_pci_bus("00000000:1B:00.0") == "0000:1b:00.0");
  CHECK(canonical_pci_bus("0000:c1:00.0") == "0000:c1:00.0");
  CHECK(canonical_pci_bus("00010000:C1:00.0") == "10000:c1:00.0");
  CHECK(canonical_pci_bus("").empty());
}

TEST_CASE("PCI ids come from the device's own files") {
  const FakeSys sys;
  sys.write("bus/pci/devices/0000:1b:00.0/vendor", "0x10de\n");
  sys.write("bus/pci/devices/0000:1b:00.0/device", "0x2335\n");
  const PciIds ids = read_pci_ids(sys.root(), "0000:1B:00.0");
  CHECK(ids.vendor == 0x10de);
  CHECK(ids.device == 0x2335);
}

TEST_CASE("PCI ids that cannot be read are unknown") {
  const FakeSys sys;
  sys.write("bus/pci/devices/0000:1b:00.0/vendor", "nonsense\n");
  CHECK_FALSE(read_pci_ids(sys.root(), "0000:1b:00.0").vendor);
  CHECK_FALSE(read_pci_ids(sys.root(), "0000:1b:00.0").device);
  CHECK_FALSE(read_pci_ids(sys.root(), "").vendor);
}

TEST_CASE("a file that is not KFD's has no KFD version") {
  CHECK(read_kfd_version("/dev/null").empty());
  CHECK(read_kfd_version("/nowhere/kfd").empty());
}

TEST_CASE("amdgpu's version is its own, else its source's, else empty") {
  const FakeSys sys;
  CHECK(read_amdgpu_version(sys.root()).empty());
  sys.write("module/amdgpu/srcversion", "0A1B2C3D\n");
  CHECK(read_amdgpu_version(sys.root()) == "srcversion:0A1B2C3D");
  sys.write("module/amdgpu/version", "6.10.5\n");
  CHECK(read_amdgpu_version(sys.root()) == "6.10.5");
}

}  // namespace sinter
