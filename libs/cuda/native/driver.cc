#include "driver.h"

#include <dlfcn.h>

#include <cstdlib>

#include "failure.h"

namespace esparse {
namespace {

// CUDA 12.5: the PTX of the kernels is of ISA 8.5.
constexpr int kOldestVersion = 12050;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Driver open_driver() {
  const char* const name = "libcuda.so.1";
  void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw Failure("unsupported", std::string("there is no NVIDIA driver: ") + dlerror(),
                  "install NVIDIA's driver, or in a container run it with --gpus all");
  }
  Driver driver{};
  const char* missing = nullptr;
#define ESPARSE_CUDA_FIND(symbol, member, parameters)                                  \
  driver.member = reinterpret_cast<decltype(driver.member)>(dlsym(library, symbol)); \
  if (driver.member == nullptr && missing == nullptr) missing = symbol;
  ESPARSE_CUDA_CALLS(ESPARSE_CUDA_FIND)
#undef ESPARSE_CUDA_FIND
  const std::string wanted = "--device cuda needs one for CUDA " + version_text(kOldestVersion) + " or newer";
  if (missing != nullptr) {
    throw Failure("unsupported", std::string("the NVIDIA driver is too old: it has no ") + missing, wanted);
  }
  const CuResult started = driver.init(0);
  if (started == kCuNoDevice) throw Failure("unsupported", "the NVIDIA driver finds no GPU");
  if (started != kCuSuccess) {
    const char* text = nullptr;
    driver.error_string(started, &text);
    throw Failure("unsupported",
                  "the NVIDIA driver does not start: " + std::string(text ? text : "unknown error") + " (" +
                      std::to_string(started) + ")",
                  "nvidia-smi tells more");
  }
  if (driver.driver_version(&driver.version) != kCuSuccess || driver.version < kOldestVersion) {
    throw Failure("unsupported", "the NVIDIA driver is too old: it serves CUDA " + version_text(driver.version), wanted);
  }
  return driver;
}

// Errors after which a context is of no use, by the driver API's documentation.
bool is_lost(CuResult result) {
  switch (static_cast<int>(result)) {
    case 46:   // device unavailable
    case 214:  // uncorrectable ECC error
    case 220:  // uncorrectable NVLink error
    case 226:  // contained error
    case 700:  // illegal address
    case 702:  // launch timeout
    case 710:  // assert
    case 714:  // hardware stack error
    case 715:  // illegal instruction
    case 716:  // misaligned address
    case 717:  // invalid address space
    case 718:  // invalid program counter
    case 719:  // launch failed
    case 810:  // MPS client terminated
    case 999:  // unknown
      return true;
    default:
      return false;
  }
}

}  // namespace

const Driver& driver() {
  static const Driver opened = open_driver();
  return opened;
}

void check(CuResult result, const char* doing) {
  if (result == kCuSuccess) return;
  const char *name = nullptr, *text = nullptr;
  driver().error_name(result, &name);
  driver().error_string(result, &text);
  const std::string what = std::string("the GPU cannot ") + doing + ": " + (text ? text : "unknown error") + " (" +
                           (name ? name : std::to_string(result)) + ")";
  if (result == kCuOutOfMemory) {
    throw Failure("unavailable", what, "another process may hold the GPU's memory: nvidia-smi shows it");
  }
  if (result == kCuUnsupportedPtx) throw Failure("unsupported", what, "install a newer NVIDIA driver");
  if (is_lost(result)) {
    throw Failure("unavailable", what, "the process must be started again; nvidia-smi and dmesg tell more", true);
  }
  throw Failure("internal", what);
}

}  // namespace esparse
