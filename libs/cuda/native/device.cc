#include "device.h"

#include <cstdlib>

#include "../kernels/linear_plan.h"
#include "failure.h"

namespace esparse {
namespace {

int attribute(CuDevice device, CuDeviceAttribute which) {
  int value = 0;
  check(driver().device_attribute(&value, which, device), "say what it is");
  return value;
}

// The kernels are written for Hopper: bulk copies, dependent launches, 227 KB of shared memory for a block. They are compiled
// for what stands before it, too (`kernels/ampere.cuh`), which ESPARSE_CUDA_IMAGE=sm_80 lets a newer GPU run: for tests.
int image_of(const DeviceFacts& facts) {
  const char* const asked = std::getenv("ESPARSE_CUDA_IMAGE");
  if (asked == nullptr || *asked == '\0') return facts.major < 9 ? 80 : 90;
  if (std::string(asked) == "sm_80") return 80;
  throw Failure("usage", "ESPARSE_CUDA_IMAGE is '" + std::string(asked) + "'", "it may be sm_80, or not be set");
}

void require_kernels_run(const DeviceFacts& facts, int shared_of_block) {
  const std::string who = facts.name + " (compute capability " + std::to_string(facts.major) + "." +
                          std::to_string(facts.minor) + ")";
  if (facts.major < 8) {
    throw Failure("unsupported", who + " is older than what the kernels run on",
                  "--device cuda needs compute capability 8.0 (A100) or newer");
  }
  if (shared_of_block < facts.shared_of_cta) {
    throw Failure("unsupported", who + " has " + std::to_string(shared_of_block >> 10) +
                                     " KB of shared memory a block, and the kernels need " +
                                     std::to_string(facts.shared_of_cta >> 10),
                  "--device cuda needs a data-centre GPU (A100, H100, H200, or newer)");
  }
}

}  // namespace

Device::Device(int ordinal) {
  int count = 0;
  check(driver().device_count(&count), "be counted");
  if (ordinal < 0 || ordinal >= count) {
    throw Failure("usage", "there is no GPU " + std::to_string(ordinal) + ": this machine has " +
                               std::to_string(count) + ", counted from 0",
                  "CUDA_VISIBLE_DEVICES and containers hide GPUs; nvidia-smi lists them");
  }
  check(driver().device_get(&device_, ordinal), "be found");
  char name[256] = {};
  check(driver().device_name(name, sizeof name - 1, device_), "say its name");
  facts_.name = name;
  facts_.driver_version = driver().version;
  facts_.major = attribute(device_, kCuMajor);
  facts_.minor = attribute(device_, kCuMinor);
  facts_.multiprocessors = attribute(device_, kCuMultiprocessors);
  // Two transfers a cycle of the clock, which is given in kHz.
  facts_.read_bandwidth = 2e3 * attribute(device_, kCuMemoryClock) * attribute(device_, kCuMemoryWidth) / 8;
  facts_.image = image_of(facts_);
  facts_.shared_of_cta = facts_.image == 80 ? kSharedOfAmpereCta : kSharedOfCta;
  require_kernels_run(facts_, attribute(device_, kCuSharedOfBlock));
  check(driver().retain_context(&context_, device_), "make a context");
  try {
    use();
    check(driver().memory_info(&facts_.free_bytes, &facts_.total_bytes), "say how much memory it has");
  } catch (...) {
    driver().release_context(device_);
    throw;
  }
}

Device::~Device() {
  driver().set_context(context_);
  modules_.clear();
  driver().release_context(device_);
}

void Device::use() const { check(driver().set_context(context_), "be used"); }

std::size_t Device::free_bytes() const {
  std::size_t free = 0, total = 0;
  check(driver().memory_info(&free, &total), "say how much memory it has");
  return free;
}

void Device::load_kernels(const char* ptx) {
  CuModule module{};
  check(driver().load_module(&module, ptx, 0, nullptr, nullptr), "load the kernels");
  modules_.push_back(Module(module));
}

CuFunction Device::function(const std::string& name) const {
  const auto known = functions_.find(name);
  if (known != functions_.end()) return known->second;
  CuFunction function{};
  CuResult found = kCuNotFound;
  for (const Module& module : modules_) {
    found = driver().module_function(&function, module.get(), name.c_str());
    if (found != kCuNotFound) break;
  }
  check(found, ("find the kernel " + name).c_str());
  // All kernels ask for the same division of an SM's memory: one with another cannot start beside them.
  int fixed = 0;
  check(driver().function_attribute(&fixed, kCuStaticShared, function), "describe a kernel");
  check(driver().set_function_attribute(function, kCuMostDynamicShared, facts_.shared_of_cta - fixed), "prepare a kernel");
  check(driver().set_function_attribute(function, kCuSharedCarveout, 100), "prepare a kernel");
  return functions_[name] = function;
}

void Device::launch_kernel(CuStream stream, const std::string& kernel, const Launch& how, void** arguments) const {
  CuLaunchAttribute overlapped{};
  overlapped.id = kCuProgrammaticSerialization;
  overlapped.enabled = 1;
  CuLaunchConfig config{};
  std::copy(how.grid, how.grid + 3, config.grid);
  config.block[0] = how.threads;
  config.block[1] = config.block[2] = 1;
  config.shared_bytes = how.shared;
  config.stream = stream;
  config.attributes = &overlapped;
  config.attribute_count = how.overlapped && facts_.image >= 90 ? 1 : 0;
  check(driver().launch(&config, function(kernel), arguments, nullptr), "launch a kernel");
}

}  // namespace esparse
