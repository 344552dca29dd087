// Plain arithmetic on one GPU for whatever TypeScript composes: memory, kernels by name, matrix products, in the order of
// one stream. Nothing waits for the device but `download` and `wait`.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "device.h"
#include "landings.h"
#include "products.h"
#include "side_uploads.h"
#include "uploader.h"
#include "waiters.h"

namespace esparse {

class Arithmetic {
 public:
  explicit Arithmetic(int ordinal) : device_(ordinal), stream_(make_stream()), uploader_(stream_.get()) {}
  ~Arithmetic() {
    driver().wait_for_stream(stream_.get());
    landings_.wait();
  }

  Device& device() { return device_; }
  Waiters& waiters() { return waiters_; }
  CuStream stream() const { return stream_.get(); }
  std::size_t held_bytes() const { return held_bytes_; }

  // Throws Failure 'unavailable' where there is no room.
  CuPointer allocate(std::size_t bytes);
  // What uses it may still be under way: memory goes back once it has ended.
  void free(CuPointer address);
  void upload(CuPointer to, const void* from, std::size_t bytes);
  // What copies on whatever thread, after what was asked for before: until all has arrived.
  std::function<void()> upload_later(CuPointer to, const void* from, std::size_t bytes);
  void download(void* to, CuPointer from, std::size_t bytes);
  // Asks for a copy that `Landing::take` waits for, on whatever thread: what comes after it in the stream need not.
  std::shared_ptr<Landing> send(CuPointer from, std::size_t bytes);
  // The same beside what comes after it: what it copies must stay until it has been taken.
  std::shared_ptr<Landing> send_beside(CuPointer from, std::size_t bytes);
  void copy(CuPointer to, CuPointer from, std::size_t bytes);
  // From the memory of another GPU, or of another one of these on the same, which has been written, whatever that one has to do; before what
  // is asked for there next.
  void copy_from(CuPointer to, Arithmetic& other, CuPointer from, std::size_t bytes);
  void fill(CuPointer to, unsigned char value, std::size_t bytes);
  // What another process opens a piece of memory with, which must stay meanwhile; it is read once it has been written.
  CuIpcHandle share(CuPointer address) const;
  // Memory of another process, to be read, until it is closed.
  CuPointer open_shared(const CuIpcHandle& handle);
  // What closes it on whatever thread, once what was asked for before has ended; nothing may read it from now on.
  std::function<void()> close_shared(CuPointer address);
  void multiply(const ProductShape& shape, const Products::Operands& operands);
  void wait();
  // What is asked for between these two is recorded instead of computed, to be asked for again as one piece. False where the
  // driver records nothing.
  bool begin_recording();
  int end_recording();
  void replay(int recording);
  void forget(int recording);

 private:
  // Throws Failure 'internal' for bytes that are not all of one piece of memory.
  void require_held(CuPointer address, std::size_t bytes) const;
  Products& products();
  std::shared_ptr<Landing> send_in(CuStream stream, CuPointer from, std::size_t bytes);
  // What is asked for here from now on waits for what was asked for there.
  void wait_for(Arithmetic& other);

  Device device_;
  Stream stream_;
  Stream beside_;  // of copies to the host that nothing waits for
  Uploader uploader_;
  std::optional<SideUploads> side_uploads_;
  PinnedArray<std::uint8_t> landing_[2];  // where what is downloaded arrives
  Event landed_[2];
  Landings landings_;
  std::map<CuPointer, DeviceArray<std::uint8_t>> held_;
  std::size_t held_bytes_ = 0;
  std::map<CuPointer, std::size_t> opened_;  // bytes of what other processes hold
  std::optional<Products> products_;
  std::set<CuContext> reached_;  // GPUs whose memory is read without the host, where there is a way
  std::map<int, GraphExec> recordings_;
  int recorded_ = 0;
  Waiters waiters_;  // ends first
};

}  // namespace esparse
