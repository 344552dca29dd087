// A driver without a GPU: libcuda.so.1 as far as esparse calls it, for tests of what the host does. Memory is the host's,
// graphs remember how many kernels they hold; what is wrong in a call ends the process. Kernels compute nothing, but for the
// plain ones where the driver is compiled together with `kernels.cc` and `threads.cc`, and those of a decode step where it is
// with `decode.cc` and `threads.cc`.
//
// FAKE_CUDA (environment): words such as `version=12040 count=0 major=7 memory=1000000 cuGraphLaunch=719:2`; the last lets
// every call of that name from the second on fail with that error. `slow=5`: a wait for an event takes 5 ms. `damaged=77`: the
// check of indices finds that those of this group are wrong; `damaged-scales=9`: that of scales, that this one is. `idle=1`: nothing
// is computed, copied or filled, so that what is asked for may be as large as that of a real model; that it is within memory, and
// what a GPU takes, is still required. Memory of the device is addresses alone then. `major=8`: an A100, with less shared memory
// and no dependent launches, which takes no PTX for Hopper. `mixed=1`: of several GPUs the first is of another kind.
// `pinned=1000000`: so many bytes of pinned memory may be asked for, all together.
// FAKE_CUDA_LOG: a file that gets, when the process ends or a context is released, the counts of all that is still held.
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "../native/driver.h"

using namespace esparse;

// Of `kernels.cc`, where that is there.
extern "C" __attribute__((weak)) bool emulate_kernel(const char* name, const unsigned* grid, const unsigned* block,
                                                     void** arguments);
// Of `decode.cc`: the kernel with its arguments, which can be a part of a graph.
__attribute__((weak)) std::function<void()> emulated_kernel(const char* name, const unsigned* grid, const unsigned* block,
                                                            unsigned shared_bytes, void** arguments);

namespace {

using Kernels = std::vector<std::function<void()>>;

// A word of FAKE_CUDA, or what it is by default.
std::string setting(const std::string& name, const std::string& otherwise) {
  const char* const all = std::getenv("FAKE_CUDA");
  const std::string words = " " + std::string(all ? all : "") + " ", key = " " + name + "=";
  const auto at = words.find(key);
  if (at == std::string::npos) return otherwise;
  const auto from = at + key.size();
  return words.substr(from, words.find(' ', from) - from);
}
long long number(const std::string& name, long long otherwise) {
  return std::atoll(setting(name, std::to_string(otherwise)).c_str());
}

[[noreturn]] void wrong(const std::string& what) {
  std::fprintf(stderr, "fake driver: %s\n", what.c_str());
  std::_Exit(99);
}

struct Held {
  std::map<CuPointer, std::size_t> memory;
  std::size_t bytes = 0, pinned_bytes = 0;
  std::set<void*> pinned, streams, events, graphs, execs, modules;
  int contexts = 0, capturing = 0, kernels = 0, launched = 0;
  std::set<std::string> names;
  std::map<std::string, int> calls;
  std::map<void*, std::string> ptx;
  Kernels recorded;                    // while a graph is,
  std::map<void*, Kernels> of_graph;   // and of each, prepared or not
};
Held held;
std::mutex books;  // of what is held: some is asked for, and goes back, on other threads
thread_local bool current = false;

void report() {
  const char* const path = std::getenv("FAKE_CUDA_LOG");
  if (path == nullptr) return;
  std::FILE* const file = std::fopen(path, "w");
  std::fprintf(file,
               "{\"allocations\":%zu,\"bytes\":%zu,\"pinned\":%zu,\"streams\":%zu,\"events\":%zu,\"graphs\":%zu,"
               "\"execs\":%zu,\"modules\":%zu,\"contexts\":%d,\"launched\":%d,\"kernels\":[",
               held.memory.size(), held.bytes, held.pinned.size(), held.streams.size(), held.events.size(),
               held.graphs.size(), held.execs.size(), held.modules.size(), held.contexts, held.launched);
  bool first = true;
  for (const auto& name : held.names) {
    std::fprintf(file, "%s\"%s\"", first ? "" : ",", name.c_str());
    first = false;
  }
  std::fprintf(file, "]}\n");
  std::fclose(file);
}

long long major() { return number("major", 9); }
// Bytes of shared memory that a block may have.
long long shared_of_block() { return number("shared", (major() < 9 ? 163 : 227) * 1024); }

// What a kernel has of it in any case, as much as most that have some: those of linears have none.
int static_shared(CuFunction function) {
  const char* const name = reinterpret_cast<const char*>(function);
  return std::strstr(name, "6linearI") != nullptr || std::strstr(name, "11linear_wideI") != nullptr ||
                 std::strstr(name, "13linear_widestI") != nullptr
             ? 0 : 1024;
}

// Whether nothing is to be computed.
bool idle() {
  static const bool is = number("idle", 0) != 0;
  return is;
}
// So many addresses, behind which there is no memory: of an idle GPU there may be more than this machine has.
void* addresses(std::size_t bytes) {
  void* const all = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) wrong("no addresses");
  return all;
}
bool emulates() { return emulate_kernel != nullptr && !idle(); }

// What every call begins with: the failures that were asked for.
CuResult begin(const char* name, bool needs_context = true) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);  // copies to the host are waited for on other threads
  const int call = ++held.calls[name];
  const std::string failing = setting(name, "");
  if (!failing.empty()) {
    const auto colon = failing.find(':');
    const int first = colon == std::string::npos ? 1 : std::atoi(failing.c_str() + colon + 1);
    if (call >= first) return static_cast<CuResult>(std::atoi(failing.c_str()));
  }
  if (needs_context && !current) wrong(std::string(name) + " without a context");
  return kCuSuccess;
}
#define BEGIN(...)                                                  \
  if (const CuResult failed = begin(__VA_ARGS__); failed != kCuSuccess) return failed;

template <class Handle>
CuResult make(std::set<void*>& of, Handle* out) {
  void* const made = std::malloc(16);
  const std::lock_guard<std::mutex> lock(books);
  of.insert(made);
  *out = static_cast<Handle>(made);
  return kCuSuccess;
}
CuResult release(std::set<void*>& of, void* handle, const char* what) {
  const std::lock_guard<std::mutex> lock(books);
  if (of.erase(handle) == 0) wrong(std::string("released twice, or never made: ") + what);
  held.of_graph.erase(handle);
  std::free(handle);
  return kCuSuccess;
}

// Whether bytes from an address are of one allocation.
void require_inside(CuPointer pointer, std::size_t bytes, const char* what) {
  const std::lock_guard<std::mutex> lock(books);
  auto after = held.memory.upper_bound(pointer);
  if (after == held.memory.begin()) wrong(std::string(what) + ": no memory of the device");
  --after;
  if (pointer + bytes > after->first + after->second) wrong(std::string(what) + ": beyond its memory");
}

}  // namespace

extern "C" {

// For the cuBLASLt beside it: what a product reads and writes is of one allocation. @returns whether it is to be computed
bool fake_cuda_product(CuPointer pointer, std::size_t bytes) {
  require_inside(pointer, bytes, "a product's matrix");
  return !idle();
}

CuResult cuInit(unsigned) {
  std::atexit(report);
  return begin("cuInit", false);
}
CuResult cuDriverGetVersion(int* version) {
  *version = static_cast<int>(number("version", 13000));
  return kCuSuccess;
}
CuResult cuGetErrorName(CuResult result, const char** name) {
  *name = result == 719 ? "CUDA_ERROR_LAUNCH_FAILED" : result == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_FAKE";
  return kCuSuccess;
}
CuResult cuGetErrorString(CuResult, const char** text) {
  *text = "a made fault";
  return kCuSuccess;
}
CuResult cuDeviceGetCount(int* count) {
  *count = static_cast<int>(number("count", 1));
  return kCuSuccess;
}
CuResult cuDeviceGet(CuDevice* device, int ordinal) {
  *device = ordinal;
  return kCuSuccess;
}
CuResult cuDeviceGetName(char* name, int size, CuDevice device) {
  std::strncpy(name, device > 0 && number("mixed", 0) != 0 ? "Another GPU" : "Fake GPU", size);
  return kCuSuccess;
}
CuResult cuDeviceGetAttribute(int* value, CuDeviceAttribute which, CuDevice) {
  *value = which == kCuMajor           ? static_cast<int>(major())
           : which == kCuMinor         ? 0
           : which == kCuMemoryClock   ? 1000000  // kHz
           : which == kCuMemoryWidth   ? 4096     // bits
           : which == kCuSharedOfBlock ? static_cast<int>(shared_of_block())
                                       : static_cast<int>(number("sms", 132));
  return kCuSuccess;
}
CuResult cuDevicePrimaryCtxRetain(CuContext* context, CuDevice) {
  BEGIN("cuDevicePrimaryCtxRetain", false)
  held.contexts++;
  *context = reinterpret_cast<CuContext>(&held);
  return kCuSuccess;
}
CuResult cuDevicePrimaryCtxRelease_v2(CuDevice) {
  if (--held.contexts < 0) wrong("a context released twice");
  report();
  return kCuSuccess;
}
CuResult cuCtxSetCurrent(CuContext context) {
  current = context != nullptr;
  return begin("cuCtxSetCurrent", false);
}
CuResult cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  BEGIN("cuMemGetInfo")
  *total = number("total", number("memory", 1 << 30));
  *free = number("memory", 1 << 30) - held.bytes;
  return kCuSuccess;
}
CuResult cuMemAlloc_v2(CuPointer* pointer, std::size_t bytes) {
  BEGIN("cuMemAlloc")
  if (held.capturing > 0) wrong("memory allocated while a graph is recorded");
  const std::lock_guard<std::mutex> lock(books);
  if (held.bytes + bytes > static_cast<std::size_t>(number("memory", 1 << 30))) return kCuOutOfMemory;
  *pointer = reinterpret_cast<CuPointer>(idle() ? addresses(bytes) : std::calloc(bytes, 1));
  held.memory[*pointer] = bytes;
  held.bytes += bytes;
  return kCuSuccess;
}
CuResult cuMemFree_v2(CuPointer pointer) {
  const std::lock_guard<std::mutex> lock(books);
  const auto found = held.memory.find(pointer);
  if (found == held.memory.end()) wrong("memory freed twice, or never allocated");
  held.bytes -= found->second;
  if (idle()) munmap(reinterpret_cast<void*>(pointer), found->second);
  else std::free(reinterpret_cast<void*>(pointer));
  held.memory.erase(found);
  return kCuSuccess;
}
// What another process of the same kind finds memory by: opened, it is a copy of what is there then.
struct FakeHandle {
  std::uint64_t process, address, bytes;
};
CuResult cuIpcGetMemHandle(CuIpcHandle* out, CuPointer pointer) {
  BEGIN("cuIpcGetMemHandle")
  const auto found = held.memory.find(pointer);
  if (found == held.memory.end()) wrong("memory is shared from elsewhere than its beginning");
  const FakeHandle handle{static_cast<std::uint64_t>(getpid()), pointer, found->second};
  std::memcpy(out, &handle, sizeof handle);
  return kCuSuccess;
}
CuResult cuIpcOpenMemHandle_v2(CuPointer* out, CuIpcHandle given, unsigned) {
  BEGIN("cuIpcOpenMemHandle")
  FakeHandle handle;
  std::memcpy(&handle, &given, sizeof handle);
  void* const memory = std::calloc(handle.bytes, 1);
  const iovec here{memory, handle.bytes}, there{reinterpret_cast<void*>(handle.address), handle.bytes};
  const ssize_t read = process_vm_readv(static_cast<pid_t>(handle.process), &here, 1, &there, 1, 0);
  if (read != static_cast<ssize_t>(handle.bytes)) {
    std::free(memory);
    return kCuNotSupported;
  }
  const std::lock_guard<std::mutex> lock(books);
  *out = reinterpret_cast<CuPointer>(memory);
  held.memory[*out] = handle.bytes;
  held.bytes += handle.bytes;
  return kCuSuccess;
}
CuResult cuMemGetAddressRange_v2(CuPointer* base, std::size_t* bytes, CuPointer pointer) {
  BEGIN("cuMemGetAddressRange")
  require_inside(pointer, 1, "memory whose size is asked for");
  const auto found = --held.memory.upper_bound(pointer);
  *base = found->first;
  *bytes = found->second;
  return kCuSuccess;
}
CuResult cuIpcCloseMemHandle(CuPointer pointer) { return cuMemFree_v2(pointer); }
CuResult cuMemHostAlloc(void** out, std::size_t bytes, unsigned) {
  BEGIN("cuMemHostAlloc")
  const std::lock_guard<std::mutex> lock(books);
  held.pinned_bytes += bytes;
  if (held.pinned_bytes > static_cast<std::size_t>(number("pinned", 1ll << 40))) return kCuOutOfMemory;
  *out = std::calloc(bytes, 1);
  held.pinned.insert(*out);
  return kCuSuccess;
}
CuResult cuMemFreeHost(void* memory) { return release(held.pinned, memory, "pinned memory"); }
CuResult cuMemcpyHtoDAsync_v2(CuPointer to, const void* from, std::size_t bytes, CuStream) {
  BEGIN("cuMemcpyHtoDAsync")
  require_inside(to, bytes, "a copy to the device");
  if (!idle()) std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return kCuSuccess;
}
CuResult cuMemcpyDtoHAsync_v2(void* to, CuPointer from, std::size_t bytes, CuStream) {
  BEGIN("cuMemcpyDtoHAsync")
  require_inside(from, bytes, "a copy from the device");
  if (!idle()) std::memcpy(to, reinterpret_cast<void*>(from), bytes);
  return kCuSuccess;
}
CuResult cuMemcpyDtoDAsync_v2(CuPointer to, CuPointer from, std::size_t bytes, CuStream) {
  BEGIN("cuMemcpyDtoDAsync")
  require_inside(to, bytes, "a copy on the device, to");
  require_inside(from, bytes, "a copy on the device, from");
  if (!idle()) std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes);
  return kCuSuccess;
}
CuResult cuCtxEnablePeerAccess(CuContext, unsigned) { return begin("cuCtxEnablePeerAccess"); }
CuResult cuMemcpyPeerAsync(CuPointer to, CuContext, CuPointer from, CuContext, std::size_t bytes, CuStream stream) {
  BEGIN("cuMemcpyPeerAsync")
  return cuMemcpyDtoDAsync_v2(to, from, bytes, stream);
}
CuResult cuTensorMapEncodeTiled(void*, int, unsigned rank, void* from, const unsigned long long* sizes,
                                const unsigned long long* strides, const unsigned* box, const unsigned*, int, int, int,
                                int) {
  BEGIN("cuTensorMapEncodeTiled")
  if (rank != 2 || strides[0] % 16 != 0 || box[0] > 256 || box[1] > 256) wrong("a tensor map that cannot be");
  require_inside(reinterpret_cast<CuPointer>(from), strides[0] * sizes[1], "a tensor map");
  return kCuSuccess;
}
CuResult cuMemsetD8Async(CuPointer to, unsigned char value, std::size_t bytes, CuStream) {
  BEGIN("cuMemsetD8Async")
  require_inside(to, bytes, "memory to be filled");
  if (!idle()) std::memset(reinterpret_cast<void*>(to), value, bytes);
  return kCuSuccess;
}
CuResult cuModuleLoadDataEx(CuModule* module, const void* image, unsigned, int*, void**) {
  BEGIN("cuModuleLoadDataEx")
  const char* const target = std::strstr(static_cast<const char*>(image), ".target sm_");
  if (target == nullptr || std::atoi(target + std::strlen(".target sm_")) >= 10 * (major() + 1)) return kCuUnsupportedPtx;
  const CuResult made = make(held.modules, module);
  held.ptx[*module] = static_cast<const char*>(image);
  return made;
}
CuResult cuModuleUnload(CuModule module) { return release(held.modules, module, "a module"); }
CuResult cuModuleGetFunction(CuFunction* function, CuModule module, const char* name) {
  BEGIN("cuModuleGetFunction")
  if (held.ptx[module].find(std::string(".entry ") + name + "(") == std::string::npos) return kCuNotFound;
  *function = reinterpret_cast<CuFunction>(const_cast<char*>(held.names.insert(name).first->c_str()));
  return kCuSuccess;
}
CuResult cuFuncGetAttribute(int* value, CuFunctionAttribute, CuFunction function) {
  *value = static_shared(function);
  return kCuSuccess;
}
CuResult cuFuncSetAttribute(CuFunction function, CuFunctionAttribute which, int value) {
  if (which == kCuMostDynamicShared && value + static_shared(function) > shared_of_block()) wrong("more shared memory than a block has");
  return kCuSuccess;
}
CuResult cuLaunchKernelEx(const CuLaunchConfig* config, CuFunction function, void** arguments, void**) {
  BEGIN("cuLaunchKernelEx")
  const unsigned *grid = config->grid, *block = config->block;
  for (const unsigned size : config->grid) {
    if (size == 0) wrong("a grid of no blocks");
  }
  if (grid[0] > 0x7fffffff || grid[1] > 65535 || grid[2] > 65535) wrong("a grid that is too large");
  const unsigned long long threads = 1ull * block[0] * block[1] * block[2];
  if (threads == 0 || threads > 1024 || block[2] > 64) wrong("a block of a size that there is not");
  if (config->shared_bytes > shared_of_block() - static_shared(function)) wrong("more shared memory than a block has");
  if (config->attribute_count > 0 && major() < 9) wrong("a dependent launch before Hopper");
  if (arguments == nullptr) wrong("no arguments");
  held.kernels++;
  for (const auto& [setting, check, argument] :
       {std::tuple{"damaged", "check_positions", 2}, {"damaged-scales", "check_scales", 3}}) {
    const long long damaged = number(setting, -1);
    if (damaged < 0 || std::strstr(reinterpret_cast<const char*>(function), check) == nullptr) continue;
    **static_cast<unsigned long long**>(arguments[argument]) = static_cast<unsigned long long>(damaged);
  }
  if (emulates()) {
    emulate_kernel(reinterpret_cast<const char*>(function), config->grid, config->block, arguments);
  }
  if (emulated_kernel != nullptr) {
    const auto kernel = emulated_kernel(reinterpret_cast<const char*>(function), config->grid, config->block,
                                        config->shared_bytes, arguments);
    if (!kernel) wrong(std::string("no emulation of ") + reinterpret_cast<const char*>(function));
    if (held.capturing > 0) {
      held.recorded.push_back(kernel);
    } else {
      kernel();
    }
  }
  return kCuSuccess;
}
CuResult cuStreamCreate(CuStream* stream, unsigned) {
  BEGIN("cuStreamCreate")
  return make(held.streams, stream);
}
CuResult cuStreamDestroy_v2(CuStream stream) { return release(held.streams, stream, "a stream"); }
CuResult cuStreamSynchronize(CuStream) {
  BEGIN("cuStreamSynchronize")
  return kCuSuccess;
}
CuResult cuStreamWaitEvent(CuStream, CuEvent, unsigned) {
  BEGIN("cuStreamWaitEvent")
  return kCuSuccess;
}
CuResult cuStreamBeginCapture_v2(CuStream, unsigned) {
  BEGIN("cuStreamBeginCapture")
  // Kernels run when they are launched.
  if (emulates()) return kCuNotSupported;
  held.capturing++;
  return kCuSuccess;
}
CuResult cuStreamEndCapture(CuStream, CuGraph* graph) {
  held.capturing--;
  const Kernels recorded = std::exchange(held.recorded, {});
  BEGIN("cuStreamEndCapture")
  const CuResult made = make(held.graphs, graph);
  held.of_graph[*graph] = recorded;
  return made;
}
CuResult cuGraphInstantiateWithFlags(CuGraphExec* exec, CuGraph graph, unsigned long long) {
  BEGIN("cuGraphInstantiate")
  if (held.graphs.count(graph) == 0) wrong("a graph that is not there");
  const CuResult made = make(held.execs, exec);
  held.of_graph[*exec] = held.of_graph[graph];
  return made;
}
CuResult cuGraphLaunch(CuGraphExec exec, CuStream) {
  BEGIN("cuGraphLaunch")
  if (held.execs.count(exec) == 0) wrong("a graph that is not there");
  held.launched++;
  for (const auto& kernel : held.of_graph[exec]) kernel();
  return kCuSuccess;
}
CuResult cuGraphExecDestroy(CuGraphExec exec) { return release(held.execs, exec, "a prepared graph"); }
CuResult cuGraphDestroy(CuGraph graph) { return release(held.graphs, graph, "a graph"); }
CuResult cuEventCreate(CuEvent* event, unsigned) {
  BEGIN("cuEventCreate")
  return make(held.events, event);
}
CuResult cuEventDestroy_v2(CuEvent event) { return release(held.events, event, "an event"); }
CuResult cuEventRecord(CuEvent, CuStream) {
  BEGIN("cuEventRecord")
  return kCuSuccess;
}
CuResult cuEventSynchronize(CuEvent) {
  BEGIN("cuEventSynchronize")
  std::this_thread::sleep_for(std::chrono::milliseconds(number("slow", 0)));
  return kCuSuccess;
}

}  // extern "C"
