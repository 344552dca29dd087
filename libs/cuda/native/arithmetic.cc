#include "arithmetic.h"

#include "failure.h"
#include "parallel_copy.h"

namespace esparse {
namespace {

constexpr std::size_t kLandingBytes = std::size_t{8} << 20;

}  // namespace

CuPointer Arithmetic::allocate(std::size_t bytes) {
  DeviceArray<std::uint8_t> made(bytes);
  const CuPointer address = made.address();
  held_bytes_ += bytes;
  held_.emplace(address, std::move(made));
  return address;
}

void Arithmetic::free(CuPointer address) {
  const auto found = held_.find(address);
  if (found == held_.end()) throw Failure("internal", "memory of the GPU that is not held was freed");
  held_bytes_ -= found->second.bytes();
  held_.erase(found);  // the driver waits for the device
}

void Arithmetic::require_held(CuPointer address, std::size_t bytes) const {
  auto after = held_.upper_bound(address);
  if (after != held_.begin()) {
    --after;
    if (address + bytes <= after->first + after->second.bytes()) return;
  }
  auto opened = opened_.upper_bound(address);
  if (opened != opened_.begin()) {
    --opened;
    if (address + bytes <= opened->first + opened->second) return;
  }
  throw Failure("internal", "a copy beyond the memory of the GPU that is held");
}

void Arithmetic::upload(CuPointer to, const void* from, std::size_t bytes) {
  require_held(to, bytes);
  uploader_.copy(to, from, bytes);
}

std::function<void()> Arithmetic::upload_later(CuPointer to, const void* from, std::size_t bytes) {
  require_held(to, bytes);
  if (!side_uploads_) side_uploads_.emplace();
  const auto asked = std::make_shared<Event>(make_event());
  check(driver().record_event(asked->get(), stream_.get()), "take the weights");
  return [this, asked, to, from, bytes] { side_uploads_->copy(device_, *asked, to, from, bytes); };
}

void Arithmetic::download(void* to, CuPointer from, std::size_t bytes) {
  require_held(from, bytes);
  for (int half = 0; half < 2; half++) {
    if (landing_[half].count() > 0) continue;
    landing_[half] = PinnedArray<std::uint8_t>(kLandingBytes);
    landed_[half] = make_event();
  }
  auto* const out = static_cast<std::uint8_t*>(to);
  const auto size = [&](std::size_t at) { return std::min(kLandingBytes, bytes - at); };
  const auto ask = [&](std::size_t at) {
    const int half = at / kLandingBytes % 2;
    check(driver().copy_to_host(landing_[half].data(), from + at, size(at), stream_.get()), "give what it computed");
    check(driver().record_event(landed_[half].get(), stream_.get()), "give what it computed");
  };
  if (bytes > 0) ask(0);
  for (std::size_t at = 0; at < bytes; at += kLandingBytes) {
    if (at + kLandingBytes < bytes) ask(at + kLandingBytes);
    const int half = at / kLandingBytes % 2;
    check(driver().wait_for_event(landed_[half].get()), "give what it computed");
    copy_in_parallel(out + at, landing_[half].data(), size(at));
  }
}

std::shared_ptr<Landing> Arithmetic::send_in(CuStream stream, CuPointer from, std::size_t bytes) {
  require_held(from, bytes);
  auto landing = landings_.make(bytes);
  check(driver().copy_to_host(landing->memory.data(), from, bytes, stream), "give what it computed");
  check(driver().record_event(landing->arrived.get(), stream), "give what it computed");
  return landing;
}

std::shared_ptr<Landing> Arithmetic::send(CuPointer from, std::size_t bytes) {
  return send_in(stream_.get(), from, bytes);
}

std::shared_ptr<Landing> Arithmetic::send_beside(CuPointer from, std::size_t bytes) {
  if (!beside_.get()) beside_ = make_stream();
  const Event computed = make_event();
  check(driver().record_event(computed.get(), stream_.get()), "give what it computed");
  check(driver().hold_stream(beside_.get(), computed.get(), 0), "give what it computed");
  return send_in(beside_.get(), from, bytes);
}

void Arithmetic::copy(CuPointer to, CuPointer from, std::size_t bytes) {
  require_held(to, bytes);
  require_held(from, bytes);
  check(driver().copy_on_device(to, from, bytes, stream_.get()), "copy");
}

void Arithmetic::wait_for(Arithmetic& other) {
  other.device_.use();
  const Event reached = make_event();
  check(driver().record_event(reached.get(), other.stream_.get()), "copy to another GPU");
  device_.use();
  check(driver().hold_stream(stream_.get(), reached.get(), 0), "copy from another GPU");
}

void Arithmetic::copy_from(CuPointer to, Arithmetic& other, CuPointer from, std::size_t bytes) {
  require_held(to, bytes);
  other.require_held(from, bytes);
  // Where there is no way from one to the other, the driver copies by way of the host.
  if (reached_.insert(other.device_.context()).second) driver().reach_peer(other.device_.context(), 0);
  check(driver().copy_between(to, device_.context(), from, other.device_.context(), bytes, stream_.get()),
        "copy from another GPU");
  other.wait_for(*this);
  device_.use();
}

void Arithmetic::fill(CuPointer to, unsigned char value, std::size_t bytes) {
  require_held(to, bytes);
  check(driver().fill(to, value, bytes, stream_.get()), "fill memory");
}

CuIpcHandle Arithmetic::share(CuPointer address) const {
  require_held(address, 0);
  CuIpcHandle handle{};
  check(driver().share_memory(&handle, address), "share its memory");
  return handle;
}

CuPointer Arithmetic::open_shared(const CuIpcHandle& handle) {
  constexpr unsigned kOverTheBus = 1;  // from another GPU, too
  CuPointer address{};
  check(driver().open_shared(&address, handle, kOverTheBus), "open memory of another process");
  CuPointer base{};
  std::size_t bytes = 0;
  check(driver().memory_range(&base, &bytes, address), "open memory of another process");
  opened_[address] = base + bytes - address;
  return address;
}

std::function<void()> Arithmetic::close_shared(CuPointer address) {
  if (opened_.erase(address) == 0) throw Failure("internal", "memory of another process that is not open was closed");
  const auto read = std::make_shared<Event>(make_event());
  check(driver().record_event(read->get(), stream_.get()), "close memory of another process");
  return [this, read, address] {
    device_.use();
    check(driver().wait_for_event(read->get()), "close memory of another process");
    check(driver().close_shared(address), "close memory of another process");
  };
}

Products& Arithmetic::products() {
  if (!products_) products_.emplace();
  return *products_;
}

void Arithmetic::multiply(const ProductShape& shape, const Products::Operands& operands) {
  products().multiply(shape, operands, stream_.get());
}

bool Arithmetic::begin_recording() {
  const CuResult began = driver().begin_capture(stream_.get(), kCuCaptureRelaxed);
  if (began == kCuNotSupported) return false;
  check(began, "record");
  return true;
}

int Arithmetic::end_recording() {
  CuGraph recorded{};
  check(driver().end_capture(stream_.get(), &recorded), "record");
  const Graph graph(recorded);
  CuGraphExec exec{};
  check(driver().instantiate(&exec, graph.get(), 0), "prepare what was recorded");
  recordings_.emplace(++recorded_, GraphExec(exec));
  return recorded_;
}

void Arithmetic::replay(int recording) {
  const auto found = recordings_.find(recording);
  if (found == recordings_.end()) throw Failure("internal", "a recording that is not there");
  check(driver().launch_graph(found->second.get(), stream_.get()), "compute");
}

void Arithmetic::forget(int recording) { recordings_.erase(recording); }

void Arithmetic::wait() { check(driver().wait_for_stream(stream_.get()), "compute"); }

}  // namespace esparse
