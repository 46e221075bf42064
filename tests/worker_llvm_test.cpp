// SPDX-License-Identifier: Apache-2.0
#include "tools/worker_llvm/llvm_worker.h"

#include <dlfcn.h>
#include <elf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>

#include "base/digest.h"
#include "codegen/arch.h"
#include "codegen/code_object.h"
#include "codegen/compile_options.h"

namespace sinter {
namespace {

using Bytes = std::vector<std::byte>;

constexpr int kTimeoutMs = 60'000;

/// A worker in a process of its own, spoken to over the protocol.
class WorkerProcess {
 public:
  explicit WorkerProcess(const char* directory = "/", int idle_seconds = 60) {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::close(ends[0]);
      ::_exit(run(ends[1], directory, idle_seconds));
    }
    ::close(ends[1]);
    fd_ = ends[0];
    auto frame = protocol::read_frame(fd_, kTimeoutMs);
    REQUIRE(frame);
    auto hello = protocol::decode_hello(*frame);
    REQUIRE(hello);
    hello_ = std::move(*hello);
  }
  ~WorkerProcess() { (void)end(); }
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  const protocol::Hello& hello() const { return hello_; }
  pid_t pid() const { return pid_; }

  Result<Bytes> ask(const Bytes& frame) {
    SINTER_TRY_VOID(protocol::write_frame(fd_, frame, kTimeoutMs));
    return protocol::read_frame(fd_, kTimeoutMs);
  }

  protocol::CompileReply compile(const protocol::CompileRequest& request) {
    auto frame = ask(protocol::encode(request));
    REQUIRE(frame);
    auto reply = protocol::decode_compile_reply(*frame);
    REQUIRE(reply);
    return std::move(*reply);
  }

  protocol::InspectReply inspect(std::string_view format, std::string_view entry, const Bytes& code) {
    auto frame = ask(protocol::encode(protocol::InspectRequest{std::string(format), std::string(entry), code}));
    REQUIRE(frame);
    auto reply = protocol::decode_inspect_reply(*frame);
    REQUIRE(reply);
    return std::move(*reply);
  }

  /// Closes the socket and waits. The ServeEnd that the worker left with, or -1 if a signal killed it.
  int end() {
    if (fd_ >= 0) {
      ::close(std::exchange(fd_, -1));
    }
    return wait_for_exit();
  }

  /// The same, without closing the socket.
  int wait_for_exit() {
    int status = 0;
    if (pid_ > 0 && ::waitpid(std::exchange(pid_, 0), &status, 0) > 0) {
      return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    return -1;
  }

 private:
  static int run(int fd, const char* directory, int idle_seconds) {
    if (::chdir(directory) != 0) {
      return 99;
    }
    LlvmWorker worker;
    return static_cast<int>(serve(fd, idle_seconds, worker));
  }

  pid_t pid_ = 0;
  int fd_ = -1;
  protocol::Hello hello_;
};

constexpr std::string_view kAmdPrelude = "#define KERNEL extern \"C\" __attribute__((global))\n";
constexpr std::string_view kHostPrelude = "#define KERNEL extern \"C\" __attribute__((visibility(\"default\")))\n";

protocol::CompileRequest make_request(std::string_view arch_name, std::string_view body) {
  const Arch* arch = find_arch(arch_name);
  REQUIRE(arch != nullptr);
  protocol::CompileRequest request;
  request.backend = "llvm";
  request.arch = arch_name;
  request.entry = "kernel";
  request.source = fmt::format("{}{}", arch->vendor == Vendor::kHost ? kHostPrelude : kAmdPrelude, body);
  request.options = default_options("llvm", *arch);
  return request;
}

constexpr std::string_view kScale = R"(
struct Args { float* x; float by; int unused; };
KERNEL void kernel(Args args) { for (int i = 0; i < 100; ++i) args.x[i] *= args.by; }
)";

constexpr std::string_view kAmdMatrix = R"(
typedef float Sums __attribute__((ext_vector_type(16)));
typedef short Half4 __attribute__((ext_vector_type(4)));
KERNEL __attribute__((amdgpu_flat_work_group_size(256, 256))) void kernel(const Half4* a, Sums* out, int rows) {
  __attribute__((shared)) static Half4 tile[256];
  const int t = __builtin_amdgcn_workitem_id_x();
  tile[t ^ 1] = a[t];
  __builtin_amdgcn_s_barrier();
  Sums sums = out[t];
#ifdef VSKIP
  asm volatile("s_waitcnt vmcnt(0) lgkmcnt(0)\n s_setvskip %0, 0\n s_setvskip 0, 0" :: "s"(rows));
#endif
  out[t] = __builtin_amdgcn_mfma_f32_32x32x8bf16_1k(tile[t], a[t + 256], sums, 0, 0, 0);
}
)";

CodeFacts facts_of(const std::string& json) {
  auto facts = code_facts_from_json(json);
  REQUIRE(facts);
  return *facts;
}

long resident_kib(pid_t pid) {
  std::ifstream statm(fmt::format("/proc/{}/statm", pid));
  long size = 0;
  long resident = 0;
  statm >> size >> resident;
  return resident * (::sysconf(_SC_PAGESIZE) / 1024);
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace

TEST_CASE("the llvm worker introduces itself with an identity that every process of the build shares") {
  const WorkerProcess first("/");
  const WorkerProcess second("/tmp");
  REQUIRE(first.hello().backends.size() == 1);
  const protocol::BackendInfo& backend = first.hello().backends[0];
  CHECK(first.hello().worker == "sinter-worker-llvm");
  CHECK(first.hello().problems.empty());
  CHECK(backend.backend == "llvm");
  CHECK(contains(backend.version, "clang 22."));
  CHECK(contains(backend.identity, "clang version 22."));
  CHECK(contains(backend.library, "clang"));
  CHECK(backend.identity == second.hello().backends[0].identity);
}

TEST_CASE("every arch that the llvm worker announces compiles, and the code says so") {
  WorkerProcess worker;
  for (const std::string& name : worker.hello().backends[0].archs) {
    CAPTURE(name);
    const Arch& arch = *find_arch(name);
    const protocol::CompileReply reply = worker.compile(make_request(name, kScale));
    CAPTURE(reply.error, reply.log);
    REQUIRE(reply.ok);
    CHECK(reply.milliseconds > 0);
    const CodeFacts facts = facts_of(reply.facts);
    CHECK(facts.entry == "kernel");
    if (arch.vendor == Vendor::kAmd) {
      CHECK(reply.format == "hsaco");
      CHECK(facts.target == name);
      CHECK(facts.wave_size == arch.wave_size);
      CHECK(facts.code_object_version == 5);
    } else if (arch.vendor == Vendor::kNvidia) {
      CHECK(reply.format == "ptx");
      CHECK(facts.target == "compute_" + name.substr(name.find('_') + 1));
    } else {
      CHECK(reply.format == "so");
      CHECK(facts.target == "x86-64");
      CHECK(facts.instruction_count > 0);
    }
  }
}

TEST_CASE("AMD facts are those of the linked kernel") {
  WorkerProcess worker;
  for (const char* arch : {"gfx90a", "gfx942", "gfx950"}) {
    CAPTURE(arch);
    const protocol::CompileReply reply = worker.compile(make_request(arch, kAmdMatrix));
    CAPTURE(reply.error, reply.log);
    REQUIRE(reply.ok);
    const CodeFacts facts = facts_of(reply.facts);
    CHECK(contains(facts.features, "sramecc=any"));
    CHECK(facts.args_bytes == 20);
    CHECK(facts.static_shared_bytes == 2048);
    CHECK(facts.max_threads_per_block == 256);
    CHECK(facts.scratch_bytes == 0);
    CHECK(facts.spilled_registers == 0);
    CHECK(facts.registers >= 16);
    CHECK(facts.setvskip_count == 0);
    REQUIRE(facts.matrix_instructions.size() == 1);
    CHECK(contains(facts.matrix_instructions[0], "v_mfma_f32_32x32x8"));
  }
}

TEST_CASE("s_setvskip is counted in the machine code") {
  WorkerProcess worker;
  const protocol::CompileReply reply =
      worker.compile(make_request("gfx942", "#define VSKIP\n" + std::string(kAmdMatrix)));
  CAPTURE(reply.error, reply.log);
  REQUIRE(reply.ok);
  CHECK(facts_of(reply.facts).setvskip_count == 2);
}

TEST_CASE("the same request gives the same bytes in any process, directory and order") {
  WorkerProcess first("/");
  WorkerProcess second("/tmp");
  for (const char* arch : {"gfx950", "x86-64-v4", "sm_90a", "gfx90a"}) {
    (void)second.compile(make_request(arch, kScale));
  }
  for (const char* arch : {"gfx942", "x86-64-v3", "compute_80"}) {
    CAPTURE(arch);
    const protocol::CompileReply once = first.compile(make_request(arch, kScale));
    const protocol::CompileReply again = second.compile(make_request(arch, kScale));
    REQUIRE(once.ok);
    CHECK(once.code == again.code);
    CHECK(once.facts == again.facts);
  }
}

TEST_CASE("a host kernel's shared object can be loaded and called") {
  WorkerProcess worker;
  const protocol::CompileReply reply = worker.compile(make_request("x86-64-v3", kScale));
  REQUIRE(reply.ok);
  const int fd = ::memfd_create("kernel", MFD_CLOEXEC);
  REQUIRE(::write(fd, reply.code.data(), reply.code.size()) == static_cast<ssize_t>(reply.code.size()));
  void* library = ::dlopen(fmt::format("/proc/self/fd/{}", fd).c_str(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  struct Args {
    float* x;
    float by;
    int unused;
  };
  auto* kernel = reinterpret_cast<void (*)(Args)>(::dlsym(library, "kernel"));
  REQUIRE(kernel != nullptr);
  std::array<float, 100> x{};
  x.fill(3);
  kernel({x.data(), 2, 0});
  CHECK(std::all_of(x.begin(), x.end(), [](float v) { return v == 6; }));
  ::dlclose(library);
  ::close(fd);
}

TEST_CASE("headers come from the request and nothing comes from the machine's files") {
  WorkerProcess worker;
  protocol::CompileRequest request = make_request("gfx942", "#include \"family/body.h\"\n");
  request.headers = {{"family/body.h", "#include \"device/types.h\"\nKERNEL void kernel(Word* x) { *x = 1; }\n"},
                     {"device/types.h", "using Word = unsigned;\n"}};
  CHECK(worker.compile(request).ok);

  for (const char* include :
       {"#include </usr/include/stdlib.h>\n", "#include \"/proc/self/environ\"\n", "#include <stddef.h>\n",
        "#if !__has_include(</usr/include/stdlib.h>)\n#error none\n#endif\n"}) {
    CAPTURE(include);
    CHECK_FALSE(worker.compile(make_request("gfx942", include + std::string(kScale))).ok);
  }

  request.headers.push_back({"device/types.h", "using Word = int;\n"});
  CHECK(contains(worker.compile(request).error, "device/types.h"));
}

TEST_CASE("what is wrong with a source is in the log, and the next one compiles") {
  struct Case {
    const char* arch;
    const char* body;
    const char* expected;
  };
  WorkerProcess worker;
  for (const Case& c : {
           Case{"gfx942", "KERNEL void kernel(int* x) { *x = nope; }", "undeclared identifier 'nope'"},
           Case{"gfx942", "KERNEL void kernel() { asm volatile(\"s_bogus\"); }", "invalid instruction"},
           Case{"gfx942",
                "KERNEL void kernel(int* x) { __attribute__((shared)) static int s[16385]; s[*x] = 1; *x = s[x[1]]; }",
                "exceeds limit (65536)"},
           Case{"gfx942", "extern \"C\" void elsewhere(); KERNEL void kernel() { elsewhere(); }", "elsewhere"},
           Case{"x86-64-v3", "extern \"C\" void elsewhere(); KERNEL void kernel() { elsewhere(); }",
                "undefined symbol: elsewhere"},
           Case{"sm_80", "KERNEL void kernel() { return 1; }", "should not return a value"},
       }) {
    CAPTURE(c.body);
    const protocol::CompileReply reply = worker.compile(make_request(c.arch, c.body));
    CHECK_FALSE(reply.ok);
    CHECK_FALSE(reply.error.empty());
    CHECK(reply.code.empty());
    CAPTURE(reply.log);
    CHECK(contains(reply.log, c.expected));
    CHECK(worker.compile(make_request(c.arch, kScale)).ok);
  }
}

TEST_CASE("a fatal error inside LLVM is a reply with its message, and the end of the worker") {
  WorkerProcess worker;
  protocol::CompileRequest request = make_request("gfx90a", kAmdMatrix);
  std::replace(request.options.begin(), request.options.end(), std::string("gfx90a"), std::string("gfx908"));
  const protocol::CompileReply reply = worker.compile(request);
  CHECK_FALSE(reply.ok);
  CAPTURE(reply.error);
  CHECK(contains(reply.error, "Cannot select"));
  CHECK(worker.wait_for_exit() == static_cast<int>(ServeEnd::kDamaged));
}

TEST_CASE("requests that the llvm worker cannot serve say why") {
  WorkerProcess worker;
  protocol::CompileRequest request = make_request("gfx942", kScale);
  request.options.insert(request.options.begin(), {"-mllvm", "-amdgpu-internalize-symbols"});
  CHECK(contains(worker.compile(request).error, "-mllvm"));

  request = make_request("gfx942", kScale);
  request.options.insert(request.options.begin(), "-no-such-option");
  CHECK(contains(worker.compile(request).log, "-no-such-option"));

  request = make_request("gfx942", kScale);
  request.arch = "gfx000";
  CHECK(contains(worker.compile(request).error, "gfx000"));
  request = make_request("gfx942", kScale);
  request.backend = "nvrtc";
  CHECK(contains(worker.compile(request).error, "nvrtc"));
  request = make_request("gfx942", kScale);
  request.entry = "kernels";
  CHECK(contains(worker.compile(request).error, "kernels"));

  CHECK_FALSE(worker.inspect("cubin", "kernel", {}).ok);
  CHECK(contains(worker.inspect("exe", "kernel", {}).error, "exe"));
}

TEST_CASE("host code that would run or need something when loaded is refused") {
  WorkerProcess worker;
  const std::string kernel(kScale);
  CHECK(worker.compile(make_request("x86-64-v3", "int f(); int x = f(); int f() { return 1; }" + kernel)).ok);
  for (const char* body :
       {"volatile int y; int x = y;", "volatile int y; __attribute__((constructor)) void f() { y = 1; }",
        "volatile int y; __attribute__((destructor)) void f() { y = 1; }",
        "extern \"C\" __attribute__((weak)) int w; KERNEL int* g() { return &w; }",
        "static void* pick() { return 0; } __attribute__((ifunc(\"_ZL4pickv\"))) void i(); KERNEL void g() { i(); }"}) {
    CAPTURE(body);
    const protocol::CompileReply reply = worker.compile(make_request("x86-64-v3", body + kernel));
    CAPTURE(reply.log);
    CHECK(contains(reply.error, "unreadable code object"));
  }
}

TEST_CASE("inspecting repeats the facts of the compile and shows the instructions") {
  WorkerProcess worker;
  for (const char* arch : {"gfx942", "x86-64-v3", "sm_80"}) {
    CAPTURE(arch);
    const protocol::CompileReply reply = worker.compile(make_request(arch, kScale));
    REQUIRE(reply.ok);
    const protocol::InspectReply inspected = worker.inspect(reply.format, "kernel", reply.code);
    CAPTURE(inspected.error);
    REQUIRE(inspected.ok);
    CHECK(inspected.facts == reply.facts);
    CHECK(contains(inspected.disassembly, reply.format == "hsaco" ? ": s_endpgm\n" : "ret"));
    CHECK_FALSE(worker.inspect(reply.format, "kernel2", reply.code).ok);
    CHECK_FALSE(worker.inspect(reply.format == "so" ? "hsaco" : "so", "kernel", reply.code).ok);
  }
}

TEST_CASE("no damaged code object is worse than an error") {
  WorkerProcess worker;
  std::mt19937 random(7);
  for (const char* arch : {"gfx90a", "gfx950", "x86-64-v4"}) {
    CAPTURE(arch);
    const protocol::CompileReply reply =
        worker.compile(make_request(arch, find_arch(arch)->vendor == Vendor::kAmd ? kAmdMatrix : kScale));
    REQUIRE(reply.ok);
    for (int i = 0; i < 1500; ++i) {
      Bytes code = reply.code;
      const std::size_t flips = 1 + random() % 8;
      for (std::size_t f = 0; f < flips; ++f) {
        code[random() % code.size()] = static_cast<std::byte>(random());
      }
      if (i % 4 == 0) {
        code.resize(random() % code.size());
      }
      const protocol::InspectReply inspected = worker.inspect(reply.format, "kernel", code);
      REQUIRE_FALSE(contains(inspected.error, "LLVM"));
    }
  }
}

TEST_CASE("a frame that is no request is answered with an error and does not end the worker") {
  WorkerProcess worker;
  for (const Bytes& frame : {Bytes{}, Bytes(100, std::byte{0x81}), protocol::encode(protocol::Hello{})}) {
    const auto answer = worker.ask(frame);
    REQUIRE(answer);
    const auto reply = protocol::decode_compile_reply(*answer);
    REQUIRE(reply);
    CHECK_FALSE(reply->ok);
    CHECK_FALSE(reply->error.empty());
  }
  CHECK(worker.compile(make_request("gfx942", kScale)).ok);
}

TEST_CASE("the worker leaves when the socket closes, and when nobody asks for a while") {
  WorkerProcess closed;
  CHECK(closed.end() == static_cast<int>(ServeEnd::kPeerClosed));
  WorkerProcess idle("/", 1);
  CHECK(idle.wait_for_exit() == static_cast<int>(ServeEnd::kIdle));
}

TEST_CASE("a worker's memory does not grow with its compiles") {
  WorkerProcess worker;
  const auto compile_many = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::string define = fmt::format("#define N {}\n", i);
      REQUIRE(worker.compile(make_request(i % 2 == 0 ? "gfx942" : "x86-64-v3", define + std::string(kScale))).ok);
      REQUIRE_FALSE(worker.compile(make_request("gfx950", "KERNEL void kernel() { nope(); }")).ok);
    }
  };
  compile_many(20);
  const long before = resident_kib(worker.pid());
  compile_many(100);
  const long after = resident_kib(worker.pid());
  CAPTURE(before, after);
  CHECK(after - before < 8 * 1024);
}

}  // namespace sinter
