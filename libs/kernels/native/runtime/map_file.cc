// The bytes of a file as an array, without reading it: pages come when they are touched, and every process that maps the
// file shares them.
#include <napi.h>

#include <cerrno>
#include <cstring>
#include <string>

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace esparse {
namespace {

#if !defined(_WIN32)

struct Mapping {
  void* data;
  std::size_t bytes;
};

// V8 counts the bytes of every array buffer as memory of its own, and collects garbage when they grow: for a model's
// gigabytes of mapped files, again and again. They are the page cache's, so we take them out of its books while they
// are mapped (measured: a third of a second of a start with 1.2 GB).
void keep_out_of_the_books(Napi::Env env, const Mapping& mapping, bool mapped) {
  const auto bytes = static_cast<std::int64_t>(mapping.bytes);
  Napi::MemoryManagement::AdjustExternalMemory(env, mapped ? -bytes : bytes);
}

// mapFile(path): Uint8Array, or null where the file is empty; throws an Error with the system's message.
Napi::Value map_file(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = info[0].ToString();
  const auto refuse = [&] {
    Napi::Error::New(env, std::strerror(errno)).ThrowAsJavaScriptException();
    return env.Undefined();
  };
  // Not a pipe that nobody writes to: opening must not wait.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return refuse();
  struct stat status;
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    if (errno == 0 || !S_ISREG(status.st_mode)) errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    const int error = errno;
    close(file);
    errno = error;
    return refuse();
  }
  const auto bytes = static_cast<std::size_t>(status.st_size);
  if (bytes == 0) {
    close(file);
    return env.Null();
  }
  void* data = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
  const int error = errno;
  close(file);
  errno = error;
  if (data == MAP_FAILED) return refuse();
  madvise(data, bytes, MADV_WILLNEED);
  auto* const mapping = new Mapping{data, bytes};
  const auto buffer = Napi::ArrayBuffer::New(env, data, bytes,
                                             [](Napi::Env of, void*, Mapping* mapping) {
                                               keep_out_of_the_books(of, *mapping, false);
                                               munmap(mapping->data, mapping->bytes);
                                               delete mapping;
                                             },
                                             mapping);
  keep_out_of_the_books(env, *mapping, true);
  return Napi::Uint8Array::New(env, bytes, buffer, 0);
}

#endif

}  // namespace

void register_map_file(Napi::Object exports) {
#if !defined(_WIN32)
  exports.Set("mapFile", Napi::Function::New(exports.Env(), map_file));
#else
  exports.Set("mapFile", exports.Env().Undefined());
#endif
}

}  // namespace esparse
