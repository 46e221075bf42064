// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/host_elf.h"

#include <functional>
#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "tests/support/host_elf_image.h"

namespace sinter {
namespace {

using testing::counting_kernel;
using testing::HostElfImage;

/// The refusal's words, or "" for an image that is accepted.
std::string refusal(const std::vector<std::byte>& code) {
  const Result<void> checked = check_host_code(code);
  if (checked) {
    return "";
  }
  CHECK(checked.error().code == ErrorCode::kUnsupported);
  return checked.error().message;
}

std::string refusal_after(const std::function<void(HostElfImage&)>& change) {
  HostElfImage image = counting_kernel();
  change(image);
  return refusal(image.bytes());
}

std::string refusal_with_tag(Elf64_Sxword tag, std::uint64_t value = 1) {
  return refusal_after([&](HostElfImage& image) { image.extra_dynamic.push_back(HostElfImage::tag(tag, value)); });
}

std::string refusal_with_relocation(std::uint64_t type, std::uint64_t address) {
  return refusal_after([&](HostElfImage& image) { image.relocations.push_back({address, ELF64_R_INFO(1, type), 0}); });
}

Catch::Matchers::StdString::ContainsMatcher says(const std::string& words) { return Catch::Contains(words); }

}  // namespace

TEST_CASE("a self-contained shared object is accepted") {
  CHECK(refusal(counting_kernel().bytes()).empty());
  CHECK(refusal_with_tag(DT_FLAGS, DF_BIND_NOW).empty());
  CHECK(refusal_with_tag(DT_FLAGS_1, DF_1_NOW).empty());
  CHECK(refusal_with_relocation(R_X86_64_RELATIVE, HostElfImage::kData).empty());
}

TEST_CASE("a shared object that imports anything is refused") {
  CHECK_THAT(refusal_with_tag(DT_NEEDED), says("needs another library"));
  CHECK_THAT(refusal_with_tag(DT_JMPREL), says("imports functions"));
  CHECK_THAT(refusal_with_relocation(R_X86_64_GLOB_DAT, HostElfImage::kData), says("imports a symbol"));
  CHECK_THAT(refusal_with_relocation(R_X86_64_64, HostElfImage::kData), says("imports a symbol"));
}

TEST_CASE("a shared object that would run code when opened or closed is refused") {
  CHECK_THAT(refusal_with_tag(DT_INIT), says("constructors"));
  CHECK_THAT(refusal_with_tag(DT_INIT_ARRAY), says("constructors"));
  CHECK_THAT(refusal_with_tag(DT_PREINIT_ARRAY), says("constructors"));
  CHECK_THAT(refusal_with_tag(DT_FINI), says("destructors"));
  CHECK_THAT(refusal_with_tag(DT_FINI_ARRAY), says("destructors"));
  CHECK_THAT(refusal_with_relocation(R_X86_64_IRELATIVE, HostElfImage::kData), says("runs a resolver"));
}

TEST_CASE("a shared object that would weaken the process's memory protection is refused") {
  CHECK_THAT(refusal_after([](HostElfImage& image) { image.stack_flags |= PF_X; }), says("executable stack"));
  CHECK_THAT(refusal_after([](HostElfImage& image) { image.has_stack_header = false; }), says("PT_GNU_STACK"));
  CHECK_THAT(refusal_after([](HostElfImage& image) { image.code_flags |= PF_W; }), says("writable and executable"));
  CHECK_THAT(refusal_with_tag(DT_TEXTREL), says("dynamic tag 0x16"));
  CHECK_THAT(refusal_with_relocation(R_X86_64_RELATIVE, HostElfImage::kCode), says("not writable"));
  CHECK_THAT(refusal_with_relocation(R_X86_64_RELATIVE, HostElfImage::kEnd - 4), says("not writable"));
}

TEST_CASE("flags, tags and segments that a kernel has no use for are refused") {
  CHECK_THAT(refusal_with_tag(DT_FLAGS_1, DF_1_NODELETE), says("DT_FLAGS_1"));
  CHECK_THAT(refusal_with_tag(DT_FLAGS, DF_STATIC_TLS), says("DT_FLAGS"));
  CHECK_THAT(refusal_with_tag(DT_AUDIT), says("dynamic tag"));
  CHECK_THAT(refusal_with_tag(DT_RELR), says("dynamic tag"));
  CHECK_THAT(refusal_after([](HostElfImage& image) {
               image.extra_segments.push_back(HostElfImage::segment(PT_TLS, PF_R, 0, 8));
             }),
             says("segment of type 0x7"));
}

TEST_CASE("segments and tables outside of the file are refused") {
  const std::vector<std::byte> whole = counting_kernel().bytes();
  const std::size_t sizes[] = {0, 10, sizeof(Elf64_Ehdr), 200, HostElfImage::kCode, whole.size() - 1};
  for (const std::size_t size : sizes) {
    CAPTURE(size);
    CHECK_FALSE(refusal({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}).empty());
  }
  CHECK_THAT(refusal_after([](HostElfImage& image) {
               image.extra_segments.push_back(HostElfImage::segment(PT_LOAD, PF_R, ~std::uint64_t{0} - 7, 16));
             }),
             says("the limit is"));
  CHECK_THAT(refusal_after([](HostElfImage& image) {
               image.extra_segments.push_back(HostElfImage::segment(PT_LOAD, PF_R, HostElfImage::kData, 16));
             }),
             says("overlaps"));
  // With other bytes for the page of the dynamic section, though not for those of the section.
  CHECK_THAT(refusal_after([](HostElfImage& image) {
               Elf64_Phdr page = HostElfImage::segment(PT_LOAD, PF_R, HostElfImage::kEnd - 0x100, 0x100);
               page.p_offset -= 0x1000;
               image.data_bytes = 0xf00;
               image.extra_segments.push_back(page);
             }),
             says("shares a page"));
  CHECK_THAT(refusal_after([](HostElfImage& image) {
               Elf64_Phdr between = HostElfImage::segment(PT_LOAD, PF_R, 0x4000, 16);
               between.p_offset = 8;
               image.extra_segments.push_back(between);
             }),
             says("does not lie on pages"));
  CHECK_THAT(refusal_with_tag(DT_GNU_HASH, 0x10'0000), says("not in a loaded segment"));
  CHECK_THAT(refusal_with_tag(DT_RELASZ, 24), says("not in the file"));
}

TEST_CASE("notes, tables and read-only parts that no loaded segment has are refused") {
  const auto refusal_with_segment = [](std::uint32_t type, std::uint64_t address, std::uint64_t size) {
    return refusal_after([&](HostElfImage& image) {
      image.extra_segments.push_back(HostElfImage::segment(type, PF_R, address, size));
    });
  };
  for (const std::uint32_t type : {PT_NOTE, PT_GNU_EH_FRAME, PT_GNU_PROPERTY, PT_GNU_RELRO}) {
    CAPTURE(type);
    CHECK(refusal_with_segment(type, HostElfImage::kData, 0x100).empty());
    CHECK_THAT(refusal_with_segment(type, HostElfImage::kData, 0x1000), says("is not where a loaded segment has it"));
    CHECK_THAT(refusal_with_segment(type, 0x7000'0000'0000, 0x100), says("is not where a loaded segment has it"));
  }
  CHECK(refusal_with_segment(PT_PHDR, sizeof(Elf64_Ehdr), sizeof(Elf64_Phdr)).empty());
  CHECK_FALSE(refusal_with_segment(PT_PHDR, HostElfImage::kData, sizeof(Elf64_Phdr)).empty());
  CHECK_FALSE(refusal_with_segment(PT_GNU_RELRO, HostElfImage::kCode, 0x100).empty());
}

TEST_CASE("bytes that are no x86-64 shared object are refused") {
  std::vector<std::byte> code = counting_kernel().bytes();
  code[offsetof(Elf64_Ehdr, e_machine)] = std::byte{EM_AARCH64};
  CHECK_THAT(refusal(code), says("not an x86-64 shared object"));
  CHECK_THAT(refusal(std::vector<std::byte>(4096)), says("not an ELF file"));
}

TEST_CASE("damaged files are read only within their bounds") {
  HostElfImage image = counting_kernel();
  image.relocations.push_back({HostElfImage::kData, ELF64_R_INFO(0, R_X86_64_RELATIVE), 0});
  const std::vector<std::byte> whole = image.bytes();
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> damaged = whole;
    for (int change = 0; change < 4; ++change) {
      // Where something is: headers, dynamic section, relocation.
      const std::size_t starts[] = {0, HostElfImage::kDynamic, HostElfImage::kRelocations};
      damaged[starts[random() % 3] + random() % 352] = static_cast<std::byte>(random() % 2 == 0 ? 0xff : random());
    }
    damaged.resize(random() % 4 == 0 ? random() % damaged.size() : damaged.size());
    damaged.shrink_to_fit();
    (void)check_host_code(damaged);  // an address sanitizer sees what this reads
  }
}

}  // namespace sinter
