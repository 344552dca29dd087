#include "cublaslt.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "failure.h"

namespace esparse {
namespace {

// Its interface has been the same since CUDA 12.
constexpr const char* kNames[] = {"libcublasLt.so.13", "libcublasLt.so.12"};

void* open_library() {
  const char* const given = std::getenv("ESPARSE_CUBLASLT");
  std::string why;
  if (given != nullptr && *given != '\0') {
    if (void* const library = dlopen(given, RTLD_NOW | RTLD_LOCAL)) return library;
    why = dlerror();
  } else {
    for (const char* name : kNames) {
      if (void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
      if (why.empty()) why = dlerror();
    }
  }
  throw Failure("usage", "there is no cuBLASLt: " + why,
                "install CUDA's libcublas (12 or 13), or let ESPARSE_CUBLASLT be the path of libcublasLt.so.12 or .13: "
                "PyTorch has one in site-packages/nvidia/cublas/lib or nvidia/cu13/lib");
}

CublasLt open_cublaslt() {
  void* const library = open_library();
  CublasLt found{};
  const auto find = [&](const char* symbol) {
    void* const address = dlsym(library, symbol);
    if (address == nullptr) throw Failure("usage", std::string("the cuBLASLt that was found has no ") + symbol);
    return address;
  };
#define ESPARSE_CUBLASLT_FIND(symbol, member, parameters) \
  found.member = reinterpret_cast<decltype(found.member)>(find(symbol));
  ESPARSE_CUBLASLT_CALLS(ESPARSE_CUBLASLT_FIND)
#undef ESPARSE_CUBLASLT_FIND
  found.version = reinterpret_cast<std::size_t (*)()>(find("cublasLtGetVersion"))();
  return found;
}

}  // namespace

const CublasLt& cublaslt() {
  static const CublasLt opened = open_cublaslt();
  return opened;
}

}  // namespace esparse
