// The bytes of a file, or of a part of it, as an array, without reading it: pages come when they are touched, and every
// process that maps the file shares them.
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

// What was mapped: whole pages.
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

// A number that may be left out.
std::int64_t number_or(const Napi::Value& value, std::int64_t otherwise) {
  return value.IsNumber() ? value.As<Napi::Number>().Int64Value() : otherwise;
}

// mapFile(path, offset = 0, length = all that follows): Uint8Array, or null where there is nothing to map; throws an Error
// with the system's message, or with what the file has where it ends too early.
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
  const std::int64_t size = status.st_size;
  const std::int64_t offset = number_or(info[1], 0);
  const std::int64_t length = number_or(info[2], size - offset);
  if (offset < 0 || length < 0 || offset > size || length > size - offset) {
    close(file);
    const std::string what = "it has " + std::to_string(size) + " bytes, not " + std::to_string(length) +
                             " from byte " + std::to_string(offset);
    Napi::Error::New(env, what).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  if (length == 0) {
    close(file);
    return env.Null();
  }
  // Mappings begin where pages do.
  const std::int64_t lead = offset % sysconf(_SC_PAGESIZE);
  const auto bytes = static_cast<std::size_t>(lead + length);
  void* data = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, offset - lead);
  const int error = errno;
  close(file);
  errno = error;
  if (data == MAP_FAILED) return refuse();
  madvise(data, bytes, MADV_WILLNEED);
  auto* const mapping = new Mapping{data, bytes};
  const auto buffer = Napi::ArrayBuffer::New(env, static_cast<char*>(data) + lead, static_cast<std::size_t>(length),
                                             [](Napi::Env of, void*, Mapping* mapping) {
                                               keep_out_of_the_books(of, *mapping, false);
                                               munmap(mapping->data, mapping->bytes);
                                               delete mapping;
                                             },
                                             mapping);
  keep_out_of_the_books(env, *mapping, true);
  return Napi::Uint8Array::New(env, static_cast<std::size_t>(length), buffer, 0);
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
