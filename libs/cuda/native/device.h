// A GPU: what it is, its context, and the modules of kernels, which the driver compiles for it at the first use and
// keeps in its cache.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "memory.h"

namespace esparse {

// CTAs for so many things, each of which takes some of them.
inline unsigned ceil_div(int count, int by) { return static_cast<unsigned>((count + by - 1) / by); }

struct DeviceFacts {
  std::string name;
  int driver_version;
  int major, minor;  // compute capability
  int multiprocessors;
  int image;          // the architecture that its kernels are compiled for: 80 or 90
  int shared_of_cta;  // bytes that a CTA of these may have
  std::size_t free_bytes, total_bytes;  // of memory, when the device was opened
  double read_bandwidth;                // of memory, bytes a second by its clock and width; 0 where that is not told
};

class Device {
 public:
  // Throws Failure 'usage' where there is no such GPU, 'unsupported' where the kernels do not run on it.
  explicit Device(int ordinal);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceFacts& facts() const { return facts_; }
  std::size_t free_bytes() const;
  // A context belongs to a thread: every call from JavaScript begins with this.
  void use() const;
  CuContext context() const { return context_; }

  // Whether it has the products of a warpgroup, which are Hopper's alone.
  bool has_wgmma() const { return facts_.image == 90 && facts_.major == 9 && facts_.minor == 0; }

  // Adds a module.
  void load_kernels(const char* ptx);
  struct Launch {
    unsigned grid[3];
    unsigned threads;
    unsigned shared = 0;      // bytes
    bool overlapped = false;  // it may begin before the one before it has ended, and waits for that one by itself
  };
  template <class... Arguments>
  void launch(CuStream stream, const std::string& kernel, const Launch& how, const Arguments&... arguments) const {
    const void* pointers[] = {&arguments...};
    launch_kernel(stream, kernel, how, const_cast<void**>(pointers));
  }
  // The same with a pointer to each argument.
  void launch_kernel(CuStream stream, const std::string& kernel, const Launch& how, void** arguments) const;

 private:
  CuFunction function(const std::string& name) const;

  CuDevice device_{};
  CuContext context_{};
  DeviceFacts facts_;
  std::vector<Module> modules_;
  mutable std::unordered_map<std::string, CuFunction> functions_;
};

}  // namespace esparse
