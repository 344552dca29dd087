// The part of NVIDIA's driver API that esparse calls, declared here by what NVIDIA documents of it: so nothing of CUDA is
// needed to build. The library itself, libcuda.so.1, comes with the driver and is opened when a device is asked for.
#pragma once
#include <cstddef>
#include <cstdint>

namespace esparse {

using CuDevice = int;
using CuPointer = unsigned long long;  // an address on the device
using CuContext = struct CuContextObject*;
using CuModule = struct CuModuleObject*;
using CuFunction = struct CuFunctionObject*;
using CuStream = struct CuStreamObject*;
using CuEvent = struct CuEventObject*;
using CuGraph = struct CuGraphObject*;
using CuGraphExec = struct CuGraphExecObject*;

enum CuResult : int {
  kCuSuccess = 0,
  kCuOutOfMemory = 2,
  kCuDeviceUnavailable = 46,
  kCuNoDevice = 100,
  kCuInvalidDevice = 101,
  kCuUnsupportedPtx = 222,
  kCuNotFound = 500,
  kCuNotSupported = 801,
};

enum CuDeviceAttribute : int { kCuMultiprocessors = 16, kCuMemoryClock = 36, kCuMemoryWidth = 37, kCuMajor = 75, kCuMinor = 76, kCuSharedOfBlock = 97 };
enum CuFunctionAttribute : int { kCuStaticShared = 1, kCuMostDynamicShared = 8, kCuSharedCarveout = 9 };

constexpr unsigned kCuStreamNonBlocking = 1, kCuEventNoTiming = 2, kCuCaptureRelaxed = 2;

// Of tensor maps: bf16, rows of 128 bytes swizzled, brought to the L2 by 256 bytes.
constexpr int kCuTensorBf16 = 9, kCuSwizzle128 = 3, kCuPromote256 = 3;

struct CuLaunchAttribute {
  int id;
  int padding;
  union {
    char size[64];
    int enabled;
  };
};
// A kernel may begin before the one before it in the stream has ended.
constexpr int kCuProgrammaticSerialization = 6;

struct CuLaunchConfig {
  unsigned grid[3], block[3];
  unsigned shared_bytes;
  CuStream stream;
  CuLaunchAttribute* attributes;
  unsigned attribute_count;
};

// What another process of the machine opens a piece of memory with.
struct CuIpcHandle {
  char bytes[64];
};

// Name in the library (with the suffix of its version), member, parameters.
#define ESPARSE_CUDA_CALLS(CALL)                                                                                     \
  CALL("cuInit", init, (unsigned flags))                                                                             \
  CALL("cuDriverGetVersion", driver_version, (int* version))                                                         \
  CALL("cuGetErrorName", error_name, (CuResult, const char** name))                                                  \
  CALL("cuGetErrorString", error_string, (CuResult, const char** text))                                              \
  CALL("cuDeviceGetCount", device_count, (int* count))                                                               \
  CALL("cuDeviceGet", device_get, (CuDevice*, int ordinal))                                                          \
  CALL("cuDeviceGetName", device_name, (char* name, int size, CuDevice))                                             \
  CALL("cuDeviceGetAttribute", device_attribute, (int* value, CuDeviceAttribute, CuDevice))                          \
  CALL("cuDevicePrimaryCtxRetain", retain_context, (CuContext*, CuDevice))                                           \
  CALL("cuDevicePrimaryCtxRelease_v2", release_context, (CuDevice))                                                  \
  CALL("cuCtxSetCurrent", set_context, (CuContext))                                                                  \
  CALL("cuMemGetInfo_v2", memory_info, (std::size_t* free, std::size_t* total))                                      \
  CALL("cuMemAlloc_v2", allocate, (CuPointer*, std::size_t bytes))                                                   \
  CALL("cuMemFree_v2", free, (CuPointer))                                                                            \
  CALL("cuIpcGetMemHandle", share_memory, (CuIpcHandle*, CuPointer))                                                 \
  CALL("cuIpcOpenMemHandle_v2", open_shared, (CuPointer*, CuIpcHandle, unsigned flags))                              \
  CALL("cuMemGetAddressRange_v2", memory_range, (CuPointer* base, std::size_t* bytes, CuPointer))                    \
  CALL("cuIpcCloseMemHandle", close_shared, (CuPointer))                                                             \
  CALL("cuMemHostAlloc", allocate_host, (void**, std::size_t bytes, unsigned flags))                                 \
  CALL("cuMemFreeHost", free_host, (void*))                                                                          \
  CALL("cuMemcpyHtoDAsync_v2", copy_to_device, (CuPointer, const void*, std::size_t bytes, CuStream))                \
  CALL("cuMemcpyDtoHAsync_v2", copy_to_host, (void*, CuPointer, std::size_t bytes, CuStream))                        \
  CALL("cuMemcpyDtoDAsync_v2", copy_on_device, (CuPointer to, CuPointer from, std::size_t bytes, CuStream))          \
  CALL("cuMemcpyPeerAsync", copy_between,                                                                            \
       (CuPointer to, CuContext, CuPointer from, CuContext, std::size_t bytes, CuStream))                            \
  CALL("cuCtxEnablePeerAccess", reach_peer, (CuContext, unsigned flags))                                             \
  CALL("cuMemsetD8Async", fill, (CuPointer, unsigned char, std::size_t bytes, CuStream))                             \
  CALL("cuTensorMapEncodeTiled", encode_tensor_map,                                                                  \
       (void* map, int type, unsigned rank, void* from, const unsigned long long* sizes,                             \
        const unsigned long long* strides, const unsigned* box, const unsigned* steps, int interleave, int swizzle,  \
        int promotion, int beyond))                                                                                  \
  CALL("cuModuleLoadDataEx", load_module, (CuModule*, const void* image, unsigned options, int* names, void** values)) \
  CALL("cuModuleUnload", unload_module, (CuModule))                                                                  \
  CALL("cuModuleGetFunction", module_function, (CuFunction*, CuModule, const char* name))                            \
  CALL("cuFuncGetAttribute", function_attribute, (int* value, CuFunctionAttribute, CuFunction))                      \
  CALL("cuFuncSetAttribute", set_function_attribute, (CuFunction, CuFunctionAttribute, int value))                   \
  CALL("cuLaunchKernelEx", launch, (const CuLaunchConfig*, CuFunction, void** arguments, void** extra))              \
  CALL("cuStreamCreate", create_stream, (CuStream*, unsigned flags))                                                 \
  CALL("cuStreamDestroy_v2", destroy_stream, (CuStream))                                                             \
  CALL("cuStreamSynchronize", wait_for_stream, (CuStream))                                                           \
  CALL("cuStreamWaitEvent", hold_stream, (CuStream, CuEvent, unsigned flags))                                        \
  CALL("cuStreamBeginCapture_v2", begin_capture, (CuStream, unsigned mode))                                          \
  CALL("cuStreamEndCapture", end_capture, (CuStream, CuGraph*))                                                      \
  CALL("cuGraphInstantiateWithFlags", instantiate, (CuGraphExec*, CuGraph, unsigned long long flags))                \
  CALL("cuGraphLaunch", launch_graph, (CuGraphExec, CuStream))                                                       \
  CALL("cuGraphExecDestroy", destroy_exec, (CuGraphExec))                                                            \
  CALL("cuGraphDestroy", destroy_graph, (CuGraph))                                                                   \
  CALL("cuEventCreate", create_event, (CuEvent*, unsigned flags))                                                    \
  CALL("cuEventDestroy_v2", destroy_event, (CuEvent))                                                                \
  CALL("cuEventRecord", record_event, (CuEvent, CuStream))                                                           \
  CALL("cuEventSynchronize", wait_for_event, (CuEvent))

struct Driver {
#define ESPARSE_CUDA_MEMBER(name, member, parameters) CuResult(*member) parameters;
  ESPARSE_CUDA_CALLS(ESPARSE_CUDA_MEMBER)
#undef ESPARSE_CUDA_MEMBER
  int version;  // 1000 * major + 10 * minor: the newest CUDA that it serves
};

// The driver of this machine, opened at the first call. Throws Failure where there is none, or one that is too old.
const Driver& driver();

// Throws Failure unless a call has succeeded; `doing` is what it was for, as in "cannot <doing>".
void check(CuResult result, const char* doing);

}  // namespace esparse
