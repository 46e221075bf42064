// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "tests/support/files.h"

using namespace sinter;
using namespace sinter::testing;

TEST_CASE("file systems on a network are known by their magic numbers", "[base]") {
  CHECK(network_file_system_name(0x6969) == "NFS");
  CHECK(network_file_system_name(0xFF534D42) == "CIFS");
  CHECK(network_file_system_name(0x0BD00BD0) == "Lustre");
  CHECK(network_file_system_name(0x47504653) == "GPFS");
  CHECK(network_file_system_name(0x00C36400) == "CephFS");
  CHECK(network_file_system_name(0x65735546) == "FUSE");
  CHECK(network_file_system_name(0x01021997) == "9p");
  CHECK(network_file_system_name(0x5346414F) == "AFS");
}

TEST_CASE("file systems of this machine are not on a network", "[base]") {
  for (const std::uint32_t magic : {0xEF53u, 0x58465342u, 0x9123683Eu, 0x01021994u, 0x794C7630u, 0x2FC12FC1u}) {
    CHECK(network_file_system_name(magic).empty());
  }
  CHECK(network_file_system_of("/proc").empty());
  CHECK(network_file_system_of("/no/such/path").empty());
}

TEST_CASE("an error number has a text", "[base]") {
  CHECK(errno_text(ENOSPC) == "No space left on device");
  CHECK(errno_text(99999) == "error 99999");
}

TEST_CASE("a file keeps its identity when it is renamed and loses it when it is replaced", "[base]") {
  TempDir directory;
  CHECK_FALSE(file_id(directory / "a").has_value());
  write_file(directory / "a", {'1'});
  const auto first = file_id(directory / "a");
  REQUIRE(first.has_value());
  fs::rename(directory / "a", directory / "b");
  CHECK(file_id(directory / "b") == first);
  write_file(directory / "a", {'2'});
  CHECK(file_id(directory / "a") != first);
}

TEST_CASE("missing directories are made for this user alone, existing ones are left as they are", "[base]") {
  TempDir directory;
  fs::permissions(directory.path(), fs::perms::owner_all | fs::perms::group_read);
  REQUIRE(make_private_directories(directory / "a/b//c/"));
  CHECK(fs::status(directory / "a").permissions() == fs::perms::owner_all);
  CHECK(fs::status(directory / "a/b/c").permissions() == fs::perms::owner_all);
  CHECK(fs::status(directory.path()).permissions() == (fs::perms::owner_all | fs::perms::group_read));
  CHECK(make_private_directories(directory / "a/b/c"));
}

TEST_CASE("a directory below a file cannot be made, and the error says which", "[base]") {
  TempDir directory;
  write_file(directory / "file", {'x'});
  const auto made = make_private_directories(directory / "file/a/b");
  REQUIRE_FALSE(made);
  CHECK(made.error().message == "cannot make the directory " + (directory / "file/a") + ": Not a directory");
}

TEST_CASE("a directory that others may write is refused with the command that mends it", "[base]") {
  TempDir directory;
  CHECK(check_private_directory(directory.path()));
  for (const mode_t mode : {0770u, 0707u, 0777u, 01777u}) {
    REQUIRE(chmod(directory.path().c_str(), mode) == 0);
    const auto checked = check_private_directory(directory.path());
    REQUIRE_FALSE(checked);
    CHECK(checked.error().message.find("chmod go-w " + directory.path()) != std::string::npos);
  }
  REQUIRE(chmod(directory.path().c_str(), 0755) == 0);
  CHECK(check_private_directory(directory.path()));
}

TEST_CASE("what is missing or no directory is refused", "[base]") {
  TempDir directory;
  write_file(directory / "file", {'x'});
  CHECK(check_private_directory(directory / "file").error().message == (directory / "file") + " is not a directory");
  CHECK(check_private_directory(directory / "none").error().message.find("No such file") != std::string::npos);
}
